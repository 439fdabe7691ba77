// /etc/nginx/njs/limits.js: nginx bounds the size of all headers together (32 KiB), not their number.

export default {
    too_many_headers: (request) => request.rawHeadersIn.length > 100 ? "1" : "",
};
