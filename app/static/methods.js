// The chapter HTTP methods: sends the request that a button names, and shows the whole answer.
const form = document.querySelector("#item-form");
const answer = document.querySelector("#answer");

async function send(method) {
  const options = { method, headers: { Accept: "application/json, text/plain;q=0.9" } };
  if (method !== "GET" && method !== "HEAD") options.headers["X-CSRFToken"] = form.dataset.token;
  if (method === "PUT") options.body = form.querySelector("#body").value;
  const response = await fetch(form.dataset.items + encodeURIComponent(form.querySelector("#key").value), options);
  const headers = [...response.headers].map(([name, value]) => `${name}: ${value}`);
  const shown = headers.filter((line) => /^(allow|content-length|content-type):/.test(line));
  answer.textContent = [`${response.status} ${response.statusText}`, ...shown, "", await response.text()].join("\n");
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  send(event.submitter?.value ?? "GET").catch((error) => { answer.textContent = String(error); });
});
for (const button of form.querySelectorAll("button[type=button]")) {
  button.addEventListener("click", () => {
    if (form.reportValidity()) send(button.value).catch((error) => { answer.textContent = String(error); });
  });
}
