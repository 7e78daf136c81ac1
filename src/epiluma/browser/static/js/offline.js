// The service worker that keeps the page: registered, and waited for on the first visit.

/** True once every file is kept, false where it cannot be: then the page works with a network only. */
export async function kept() {
  if (!navigator.serviceWorker) return false;
  try {
    const registration = await navigator.serviceWorker.register("sw.js");
    return registration.active ? true : await activated(registration.installing ?? registration.waiting);
  } catch {
    return false;
  }
}

function activated(worker) {
  return new Promise((resolve) => {
    const look = () => {
      if (worker.state === "activated") resolve(true);
      if (worker.state === "redundant") resolve(false);
    };
    worker.addEventListener("statechange", look);
    look();
  });
}
