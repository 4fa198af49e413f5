// What makes pages live. Every page works without it.
"use strict";

const live = document.querySelector("[data-events]");
if (live) follow(live.dataset.events);

const chosen = document.getElementById("chosen");
if (chosen) {
  const boxes = () => document.querySelectorAll('input[name="run"]:checked').length;
  const tell = () => {
    const count = boxes();
    chosen.textContent = `${count} selected; 2 to 4 can be compared, the oldest is the reference`;
  };
  document.addEventListener("change", tell);
  tell();
}

for (const form of document.querySelectorAll("form[data-busy]")) {
  form.addEventListener("submit", () => {
    const button = form.querySelector("button");
    button.disabled = true;
    button.textContent = form.dataset.busy;
  });
}

const polled = document.querySelector("[data-poll]");
if (polled) poll();

async function current() {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  return answer.ok ? new DOMParser().parseFromString(await answer.text(), "text/html") : null;
}

function lost() {
  return `Not connected since ${new Date().toISOString().slice(11, 19)} UTC, trying again. `;
}

// What somebody has the focus in stays until they leave it.
function replace(page) {
  for (const part of document.querySelectorAll("[data-live]")) {
    const newer = page.getElementById(part.id);
    if (!newer || newer.outerHTML === part.outerHTML || part.contains(document.activeElement)) continue;
    for (const { id } of part.querySelectorAll("details[open]")) newer.querySelector(`#${id}`)?.setAttribute("open", "");
    part.replaceWith(newer);
  }
}

// A sweep or their list: the parts of the page that changed, every two seconds, and less often where that takes long.
async function poll() {
  const connection = document.getElementById("connection");
  for (let pause = 2000; ; ) {
    await new Promise((later) => setTimeout(later, pause));
    if (document.hidden) continue;
    const began = performance.now();
    try {
      const page = await current();
      if (page && !page.querySelector("[data-poll]")) return location.reload();
      if (page) replace(page);
      if (connection) connection.textContent = "";
    } catch {
      if (connection) connection.textContent ||= lost();
    }
    pause = Math.max(2000, 4 * (performance.now() - began));
  }
}

// One run: its log lines as they come, and the parts of the page that changed, at most twice a second.
function follow(address) {
  const log = document.getElementById("log");
  const connection = document.getElementById("connection");
  let fetching = false;
  let wanted = false;

  const refresh = async () => {
    wanted = true;
    if (fetching) return;
    fetching = true;
    while (wanted) {
      // What happens together is fetched together.
      await new Promise((later) => setTimeout(later, 250));
      wanted = false;
      try {
        const page = await current();
        if (page) replace(page);
      } catch {
        // The stream says that the connection is lost, and comes again by itself.
      }
      await new Promise((later) => setTimeout(later, 250));
    }
    fetching = false;
  };

  // Events are numbered from 1 without gaps.
  const tell = () => (connection.textContent = `Connected, events so far: ${log.dataset.last}. `);

  const stream = new EventSource(`${address}?last_event_id=${log.dataset.last || 0}`);
  stream.onopen = () => {
    tell();
    refresh();
  };
  stream.onerror = () => {
    // There is no more to come, so that the run is over; or the service refuses, and its page says why.
    if (stream.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), 1000);
    connection.textContent = lost();
  };
  stream.onmessage = (message) => {
    const event = JSON.parse(message.data);
    if (event.seq <= Number(log.dataset.last || 0)) return;
    log.dataset.last = event.seq;
    tell();
    const region = log.closest(".log");
    const atEnd = region.scrollHeight - region.scrollTop - region.clientHeight < 40;
    if (log.rows.length >= 500) log.deleteRow(0);
    const row = log.insertRow();
    if (event.level !== "info") row.className = event.level;
    for (const text of [event.timestamp.slice(11, 23), event.step || "run", event.message || event.event]) {
      row.insertCell().textContent = String(text).slice(0, 500);
    }
    if (atEnd) region.scrollTop = region.scrollHeight;
    if (event.event === "run.ended") {
      stream.close();
      location.reload();
    } else {
      refresh();
    }
  };
}
