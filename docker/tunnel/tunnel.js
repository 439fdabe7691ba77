// Leads the visitors of a tunnel server to the front end, until it is stopped.
"use strict";

const https = require("node:https");
const net = require("node:net");
const { pipeline } = require("node:stream");
const localtunnel = require("localtunnel");

const { FRONT_END, TUNNEL_HOST, TUNNEL_NAME } = process.env;
const SECONDS = 10;

function die(sentence) {
  console.error(`error: ${sentence}`);
  process.exit(1);
}

// Told of another host than this one the client rewrites Host, and damages uploads. So this one leads to the front
// end, to which a visitor comes from here, and not from its own machine, as in its network name space.
const relay = net.createServer((client) => {
  pipeline(client, net.connect(443, FRONT_END), client, () => {});
});

async function open() {
  // The client itself asks for ever.
  const unanswered = setTimeout(
    die,
    SECONDS * 1000,
    `${TUNNEL_HOST} gave no tunnel within ${SECONDS} s. Name a tunnel server that answers: make tunnel TUNNEL_HOST=https://…`,
  );
  const tunnel = await localtunnel({
    host: TUNNEL_HOST,
    subdomain: TUNNEL_NAME,
    port: 443,
    local_https: true,
    allow_invalid_cert: true,
  });
  clearTimeout(unanswered);
  tunnel.on("error", (error) => die(`the tunnel has ended (${error.message}). Open another: make tunnel`));

  const { host } = new URL(tunnel.url);
  const question = { host: FRONT_END, path: "/healthz", headers: { host }, servername: "localhost", rejectUnauthorized: false };
  https
    .get(question, (answer) => {
      if (answer.statusCode !== 200) {
        die(
          `${FRONT_END} does not serve the name ${host} (${answer.statusCode}). Add it to the marked block of its site` +
            ` file, 'make reload', and ask for the same name: make tunnel TUNNEL_NAME=${host.split(".")[0]}`,
        );
      }
      console.log(`==> ${tunnel.url} leads everybody to this stack, until you press Ctrl-C`);
    })
    .on("error", (error) => die(`${FRONT_END} does not answer (${error.message}). Look at it: make status`));
}

relay.listen(443, "127.0.0.1", open);
