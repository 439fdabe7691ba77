// Leads the visitors of a tunnel server to the front end, until it is stopped.
"use strict";

const https = require("node:https");
const net = require("node:net");
const { pipeline } = require("node:stream");
const localtunnel = require("localtunnel");

const { FRONT_END, TUNNEL_HOST, TUNNEL_NAME } = process.env;
const OPEN_SECONDS = 15;
const RECONNECT_SECONDS = 3;

function die(sentence) {
  console.error(`error: ${sentence}`);
  process.exit(1);
}

// Told of another host than this one the client rewrites Host, and damages uploads. So this one leads to the front
// end, to which a visitor comes from here, and not from its own machine, as in its network name space.
const relay = net.createServer((client) => {
  pipeline(client, net.connect(443, FRONT_END), client, () => {});
});

let refusal = "";
// The client itself asks for ever.
const unanswered = setTimeout(() => {
  die(
    `${TUNNEL_HOST} gave no tunnel within ${OPEN_SECONDS} s${refusal}. Name a tunnel server that answers:` +
      " make tunnel TUNNEL_HOST=https://…",
  );
}, OPEN_SECONDS * 1000);

async function open() {
  const tunnel = await localtunnel({
    host: TUNNEL_HOST,
    subdomain: TUNNEL_NAME,
    port: 443,
    local_https: true,
    allow_invalid_cert: true,
  });
  const ended = (reason) => die(`the tunnel has ended (${reason}). Open another: make tunnel`);
  let opened = false;
  let again;
  // Most failures the client keeps to itself, so its connections to the server are counted.
  let connections = 0;
  tunnel.tunnelCluster.on("open", (connection) => {
    connections += 1;
    connection.once("close", () => {
      connections -= 1;
      setTimeout(() => connections || ended("no connection is left"), RECONNECT_SECONDS * 1000);
    });
    if (!opened) {
      opened = true;
      clearTimeout(unanswered);
      announce(tunnel.url);
    }
  });
  tunnel.on("error", (error) => {
    if (opened) ended(error.message);
    // The server waits a second for the first connection, and a busy machine may take longer.
    refusal = ` (${error.message})`;
    again ??= setTimeout(open, 1000);
  });
}

function announce(url) {
  const { host } = new URL(url);
  const question = { host: FRONT_END, path: "/healthz", headers: { host } };
  https
    .get({ ...question, servername: "localhost", rejectUnauthorized: false }, (answer) => {
      if (answer.statusCode !== 200) {
        die(
          `${FRONT_END} does not serve the name ${host} (${answer.statusCode}). Add it to the marked block of its site` +
            ` file, 'make reload', and ask for the same name: make tunnel TUNNEL_NAME=${host.split(".")[0]}`,
        );
      }
      console.log(`==> ${url} leads everybody to this stack, until you press Ctrl-C`);
    })
    .on("error", (error) => die(`${FRONT_END} does not answer (${error.message}). Look at it: make status`));
}

relay.listen(443, "127.0.0.1", open);
