// The chapter Static files: the button greets.
document.querySelector("#say-hello").addEventListener("click", () => alert("Hello World"));
