// The bundle, every byte of it accounted for before any is used.

/** @typedef {{manifest: object, id: string, files: Map<string, ArrayBuffer>}} Bundle */

const FOLDER = "bundle/";

/** @returns {Promise<Bundle>} */
export async function openBundle() {
  const raw = await fetched(`${FOLDER}manifest.json`);
  const id = new TextDecoder().decode(await fetched(`${FOLDER}bundle.id`)).trim();
  if (await sha256(raw) !== id) throw new Error("manifest.json: does not match bundle.id");
  const manifest = JSON.parse(new TextDecoder().decode(raw));
  if (manifest.format !== 1) throw new Error(`manifest.json: format ${manifest.format} is not known`);
  const needed = [manifest.graph, manifest.scope?.file, manifest.outline?.graph].filter(Boolean);
  const files = new Map(await Promise.all(needed.map(async (name) => [name, await checked(name, manifest.files[name])])));
  return { manifest, id, files };
}

async function checked(name, entry) {
  const data = await fetched(FOLDER + name);
  if (await sha256(data) !== entry?.sha256) throw new Error(`${name}: its SHA-256 differs from the manifest's`);
  return data;
}

/** @param {string} name relative to the page @returns {Promise<ArrayBuffer>} */
async function fetched(name) {
  const answer = await fetch(name);
  if (!answer.ok) throw new Error(`${name}: cannot be loaded (${answer.status})`);
  return answer.arrayBuffer();
}

async function sha256(data) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", data));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
