// Keeps every file of the page, checked, so that it opens and screens without a network.
const VERSION = "{version}"; // SHA-256 of files.json
const HERE = new URL("./", self.location.href);
const OURS = `epiluma ${HERE.pathname} `; // several pages may share one origin
const CACHE = OURS + VERSION;

self.addEventListener("install", (event) => event.waitUntil(keep()));
self.addEventListener("activate", (event) => event.waitUntil(takeOver()));
self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (event.request.method !== "GET" || url.origin !== HERE.origin || !url.pathname.startsWith(HERE.pathname)) return;
  event.respondWith(answer(event.request, url));
});

async function keep() {
  const list = await checked("files.json", VERSION);
  const cache = await caches.open(CACHE);
  for (const [name, sha256] of Object.entries(await list.clone().json())) {
    const url = new URL(name, HERE).href;
    if (!await cache.match(url)) await cache.put(url, await checked(name, sha256));
  }
}

/** The file, once it is whole and the one that was listed: never half of one version and half of another. */
async function checked(name, sha256) {
  const found = await fetch(new URL(name, HERE), { cache: "no-cache" });
  const data = found.ok ? await found.arrayBuffer() : new ArrayBuffer(0);
  const digest = Array.from(new Uint8Array(await crypto.subtle.digest("SHA-256", data)), (byte) => byte.toString(16).padStart(2, "0")).join("");
  if (digest !== sha256) throw new Error(`${name}: is not the file that was built`);
  return new Response(data, { headers: { "Content-Type": found.headers.get("Content-Type") ?? "" } });
}

async function takeOver() {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name.startsWith(OURS) && name !== CACHE).map((name) => caches.delete(name)));
  await self.clients.claim();
}

async function answer(request, url) {
  const wanted = url.pathname === HERE.pathname ? new URL("index.html", HERE).href : url.origin + url.pathname;
  return await (await caches.open(CACHE)).match(wanted) ?? fetch(request);
}
