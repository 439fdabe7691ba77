-- /etc/lighttpd/lua/response.lua: what every answer carries, the application's and lighttpd's own.
-- It runs also where a request was too broken for request.lua.
local r = lighty.r
local status = r.req_item.http_status
local header = r.req_header
local id = header["X-Request-ID"] or ""
if not (#id == 32 and not id:find("%X") or #id == 36 and not id:find("[^%x-]")) then
  id = ("%016x%016x"):format(math.random(0), math.random(0))
end

-- Where the application sent none. Strict-Transport-Security means nothing without TLS.
local headers = {
  ["Content-Security-Policy"] = "default-src 'none'; style-src 'self'; img-src 'self' data:;"
    .. " base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  ["X-Content-Type-Options"] = "nosniff",
  ["Referrer-Policy"] = "strict-origin-when-cross-origin",
  ["Permissions-Policy"] = "camera=(), geolocation=(), microphone=()",
  ["Cross-Origin-Opener-Policy"] = "same-origin",
  ["Cross-Origin-Resource-Policy"] = "same-origin",
  ["Strict-Transport-Security"] = r.req_attr["request.server-port"] == "443" and "max-age=63072000" or nil,
}
for name, value in pairs(headers) do
  if not r.resp_header[name] then r.resp_header[name] = value end
end
r.resp_header["X-Request-ID"] = id
-- What an application server says of itself: lighttpd then says its own (server.tag).
r.resp_header["Server"] = nil

-- For the access log; by now the application has read the real headers. What is no text (UTF-8), or would be
-- torn by lighttpd's escaping (0x80 to 0x9F), is escaped as in an address.
local function text(value)
  value = value or ""
  if utf8.len(value) and not value:find("[\128-\159]") then return value end
  return (value:gsub("[\128-\255]", function(byte) return ("%%%02X"):format(byte:byte()) end))
end
header["Cookie"] = ("time=%s;host=%s;tls=%s"):format(os.date("!%Y-%m-%dT%H:%M:%SZ"),
  (text(header["Host"]):gsub(";", "%%3B")), r.req_env["SSL_PROTOCOL"] or "")
header["Referer"] = text(header["Referer"])
header["User-Agent"] = text(header["User-Agent"])
r.req_attr["uri.path-raw"] = text(r.req_attr["uri.path-raw"])
r.req_attr["uri.query"] = text(r.req_attr["uri.query"])
local loopback = {["127.0.0.1"] = true, ["::1"] = true}
header["X-Log"] = loopback[r.req_attr["request.remote-addr"]] and r.req_attr["request.uri"] == "/healthz" and "no" or "yes"

-- (!) lighttpd would answer a range behind the end only after this, and without these headers.
local first = (header["Range"] or ""):match("^bytes=(%d+)")
local length = r.resp_body.len
if first and status == 200 and length and tonumber(first) >= length then
  r.resp_header["Content-Range"] = ("bytes */%d"):format(length)
  r.resp_body.set({})
  return 416
end

-- How much the client likes a media type: the q of the range that fits best.
local function quality(type)
  local accept = header["Accept"] or "*/*"
  for _, wanted in ipairs({type, type:match("^%w+/") .. "*", "*/*"}) do
    for range in accept:gmatch("[^,]+") do
      if range:match("^%s*([^;%s]*)") == wanted then return tonumber(range:match(";%s*q=([%d.]+)")) or 1 end
    end
  end
  return 0
end

-- lighttpd has put its page for this error (server.errorfile-prefix) in the answer: it is the site's own,
-- with the request's id, and JSON where the client prefers that. What the application says is left alone.
local folder = r.req_attr["physical.path"]:match("^(/srv/errors/)%d+%.html$")
if not folder or status < 400 then return end
-- The application broke off in the middle of a request: a gateway's error.
if status == 500 then status = 502 end
if status == 405 then r.resp_header["Allow"] = "GET, HEAD" end
if status >= 502 and status <= 504 then r.resp_header["Retry-After"] = "5" end
local json = quality("application/json") > quality("text/html")
r.resp_header["Content-Type"] = json and "application/json" or "text/html; charset=utf-8"
r.resp_header["Vary"] = "Accept"
local page <close> = io.open(folder .. status .. (json and ".json" or ".html"))
r.resp_body.set({(page:read("a"):gsub('<!%-%-#echo var="request_id" %-%->', id))})
return status
