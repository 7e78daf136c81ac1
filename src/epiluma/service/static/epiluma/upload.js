// Drop or choose a photo, see it at once, watch it travel. Without this module the form is sent the ordinary way.
const form = document.getElementById("upload");
const choose = form.querySelector(".choose");
const sending = form.querySelector(".sending");
const problem = document.getElementById("problem");
const preview = document.getElementById("preview");
const doing = document.getElementById("doing");
const progress = document.getElementById("progress");
const cancel = document.getElementById("cancel");

function show(state, reason = "") {
  choose.hidden = state === "sending";
  sending.hidden = state !== "sending";
  problem.hidden = !reason;
  document.getElementById("reason").textContent = reason;
  if (reason) problem.scrollIntoView({ block: "nearest" });
  if (preview.src) URL.revokeObjectURL(preview.src);
  preview.removeAttribute("src");
}

function send(photo) {
  if (photo.size > Number(form.dataset.limit)) return show("choose", form.dataset.tooLarge);
  show("sending");
  preview.src = URL.createObjectURL(photo);
  doing.textContent = doing.dataset.sending;
  progress.value = 0;

  const body = new FormData();
  body.append("csrfmiddlewaretoken", form.elements.csrfmiddlewaretoken.value);
  body.append("photo", photo);
  const request = new XMLHttpRequest(); // fetch() does not report how much was sent
  request.open("POST", form.action);
  request.setRequestHeader("Accept", "application/json");
  request.responseType = "json";
  request.upload.onprogress = (event) => { if (event.lengthComputable) progress.value = 100 * event.loaded / event.total; };
  request.upload.onload = () => { doing.textContent = doing.dataset.looking; progress.removeAttribute("value"); };
  request.onload = () => {
    if (request.response?.url) location.assign(request.response.url);
    else show("choose", request.response?.error ?? form.dataset.offline);
  };
  request.onerror = () => show("choose", form.dataset.offline);
  request.onabort = () => show("choose");
  cancel.onclick = () => request.abort();
  request.send(body);
}

for (const input of form.querySelectorAll("input[type=file]")) {
  input.addEventListener("change", () => {
    if (input.files.length) send(input.files[0]);
    input.value = ""; // choosing the same photo again is a new choice
  });
}
for (const type of ["dragenter", "dragover"]) {
  document.addEventListener(type, (event) => { event.preventDefault(); form.classList.add("over"); });
}
document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) form.classList.remove("over"); });
document.addEventListener("drop", (event) => {
  event.preventDefault();
  form.classList.remove("over");
  if (event.dataTransfer.files.length) send(event.dataTransfer.files[0]);
});
document.addEventListener("paste", (event) => { if (event.clipboardData.files.length) send(event.clipboardData.files[0]); });
window.addEventListener("pageshow", (event) => { if (event.persisted) show("choose"); }); // came back with the Back button
