// Client side of the page: records or loads a recording, keeps it in this tab, calls the API of this server, plays turns.
// It sends data only to the server that served the page.
(() => {
  "use strict";
  const READABLE = /\.(wav|flac|mp3|ogg|oga|opus|aiff?|au)$/i; // formats that the server decodes; the browser converts the others
  const RATE = 16000;
  const state = { file: null, url: null, recorder: null, stopAt: null, busy: false };
  const $ = (id) => document.getElementById(id);
  const say = (id, text) => { const place = $(id); if (place) place.textContent = text; };

  const size = (bytes) => bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;

  function take(file, words) {
    if (state.url) URL.revokeObjectURL(state.url);
    state.file = file;
    state.url = URL.createObjectURL(file);
    const player = $("em-player");
    player.src = state.url;
    player.hidden = false;
    say("em-name", words || `${file.name} (${size(file.size)})`);
    say("em-status", "");
  }

  // Converts a recording that this browser can decode to mono 16-bit WAV.
  async function asWav(blob, name) {
    const context = new OfflineAudioContext(1, 1, RATE);
    const decoded = await context.decodeAudioData(await blob.arrayBuffer());
    const samples = new Float32Array(decoded.length);
    for (let channel = 0; channel < decoded.numberOfChannels; channel++) {
      const data = decoded.getChannelData(channel);
      for (let n = 0; n < data.length; n++) samples[n] += data[n] / decoded.numberOfChannels;
    }
    const view = new DataView(new ArrayBuffer(44 + 2 * samples.length));
    const word = (at, text) => [...text].forEach((letter, n) => view.setUint8(at + n, letter.charCodeAt(0)));
    word(0, "RIFF"); view.setUint32(4, 36 + 2 * samples.length, true); word(8, "WAVEfmt ");
    view.setUint32(16, 16, true); view.setUint16(20, 1, true); view.setUint16(22, 1, true);
    view.setUint32(24, RATE, true); view.setUint32(28, 2 * RATE, true); view.setUint16(32, 2, true);
    view.setUint16(34, 16, true); word(36, "data"); view.setUint32(40, 2 * samples.length, true);
    samples.forEach((value, n) =>
      view.setInt16(44 + 2 * n, Math.round(32767 * Math.max(-1, Math.min(1, value))), true));
    return new File([view], `${name}.wav`, { type: "audio/wav" });
  }

  async function record() {
    if (state.recorder) { state.recorder.stop(); return; }
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    } catch (error) {
      say("em-name", navigator.mediaDevices
        ? "The microphone is not available: allow it in the browser, or choose a file."
        : "Browsers record only on https or on 127.0.0.1: open the page at one of these, or choose a file.");
      return;
    }
    const parts = [], began = performance.now(), recorder = new MediaRecorder(stream);
    const tick = setInterval(() =>
      say("em-name", `Recording, ${((performance.now() - began) / 1000).toFixed(0)} s. Press again to stop.`), 250);
    recorder.ondataavailable = (event) => parts.push(event.data);
    recorder.onstop = async () => {
      clearInterval(tick);
      stream.getTracks().forEach((track) => track.stop());
      state.recorder = null;
      $("em-record").setAttribute("aria-pressed", "false");
      say("em-record-word", "Record");
      try {
        const file = await asWav(new Blob(parts, { type: recorder.mimeType }), "recording");
        take(file, `Your recording (${((file.size - 44) / 2 / RATE).toFixed(1)} s)`);
      } catch (error) {
        say("em-name", "The recording is empty: record at least one second.");
      }
    };
    recorder.start();
    state.recorder = recorder;
    $("em-record").setAttribute("aria-pressed", "true");
    say("em-record-word", "Stop");
  }

  async function readable(file) {
    if (READABLE.test(file.name)) return file;
    try { return await asWav(file, file.name.replace(/\.[^.]*$/, "")); } catch (error) { return file; }
  }

  const bearer = (token) => token ? { Authorization: `Bearer ${token}` } : {};

  async function post(fields, token) {
    const form = new FormData();
    Object.entries(fields).forEach(([key, value]) => form.append(key, value));
    let answer;
    try {
      answer = await fetch(new URL("v1/emotions", document.baseURI),
        { method: "POST", body: form, headers: bearer(token) });
    } catch (error) {
      throw new Error("the server does not answer: check that it is running and that the file is not too large");
    }
    const told = await answer.json();
    if (!answer.ok) throw new Error(told.error.message);
    return told;
  }

  async function seconds() {
    const player = $("em-player");
    for (let n = 0; n < 20 && Number.isNaN(player.duration) && !player.error; n++)
      await new Promise((done) => setTimeout(done, 50));
    return player.duration;
  }

  async function asked(mode, systems, transcript, cues, token) {
    if (state.recorder) throw new Error("a recording is in progress: press Stop first");
    if (!state.file) throw new Error("there is no recording yet: record one, or choose a file");
    const file = await readable(state.file);
    const about = await fetch(new URL("v1/models", document.baseURI),
      { headers: bearer(token) }).then((answer) => answer.json());
    if (about.error) throw new Error(about.error.message);
    const chosen = systems.length ? systems : about.data.slice(0, 1).map((model) => model.id);
    const longest = Math.min(...about.data.map((model) => model.longest));
    const turns = mode === "turns" || (mode === "auto" && (await seconds()) > longest);
    return Promise.all(chosen.map((model) => {
      const fields = { file, model, segments: turns, cues: Boolean(cues) };
      if (transcript && !turns) fields.transcript = transcript;
      return post(fields, token);
    }));
  }

  // The server draws the results, since it escapes what comes from outside.
  async function drawn(results, token) {
    const headers = { "Content-Type": "application/json", ...bearer(token) };
    const answer = await fetch(new URL("page/results", document.baseURI),
      { method: "POST", body: JSON.stringify(results), headers });
    if (!answer.ok) throw new Error((await answer.json()).error.message);
    return answer.text();
  }

  function refused(message) {
    const line = document.createElement("p");
    line.className = "em-error";
    line.setAttribute("role", "alert");
    line.textContent = message;
    return line.outerHTML;
  }

  async function ask(mode, systems, transcript, cues, token) {
    const began = performance.now(), button = $("em-go");
    const tick = setInterval(() =>
      say("em-status", `Recognising, ${((performance.now() - began) / 1000).toFixed(0)} s`), 500);
    if (button) button.disabled = true;
    try {
      return await drawn({ answers: await asked(mode, systems || [], transcript, cues, token) }, token);
    } catch (error) {
      return refused(error.message);
    } finally {
      clearInterval(tick);
      say("em-status", "");
      if (button) button.disabled = false;
    }
  }

  function play(start, end) {
    const player = $("em-player");
    player.currentTime = start;
    state.stopAt = end;
    player.play().catch(() => say("em-status", "This browser cannot play this file format. The results are not affected."));
    requestAnimationFrame(follow);
  }

  function follow() {
    const player = $("em-player");
    if (state.stopAt !== null && player.currentTime >= state.stopAt) { player.pause(); state.stopAt = null; }
    document.querySelectorAll("[data-turn]").forEach((turn) => {
      const now = player.currentTime >= Number(turn.dataset.start) && player.currentTime < Number(turn.dataset.end);
      turn.classList.toggle("em-now", now && !player.paused);
    });
    document.querySelectorAll(".em-playhead").forEach((head) => {
      head.hidden = false;
      head.style.left = `${(100 * player.currentTime) / Number(head.dataset.duration)}%`;
    });
    if (!player.paused) requestAnimationFrame(follow);
  }

  document.addEventListener("click", (event) => {
    const target = event.target.closest("button");
    if (!target) return;
    if (target.id === "em-record") record();
    if (target.id === "em-choose") $("em-file").click();
    if (target.dataset.turn) play(Number(target.dataset.start), Number(target.dataset.end));
  });
  document.addEventListener("change", (event) => {
    if (event.target.id === "em-file" && event.target.files.length) take(event.target.files[0]);
  });
  document.addEventListener("play", (event) => {
    if (event.target.id === "em-player") requestAnimationFrame(follow);
  }, true);
  document.addEventListener("dragover", (event) => {
    if (!event.target.closest?.("#em-drop")) return;
    event.preventDefault();
    $("em-drop").classList.add("em-over");
  });
  document.addEventListener("dragleave", (event) => {
    if (event.target.id === "em-drop") event.target.classList.remove("em-over");
  });
  document.addEventListener("drop", (event) => {
    if (!event.target.closest?.("#em-drop")) return;
    event.preventDefault();
    $("em-drop").classList.remove("em-over");
    if (event.dataTransfer.files.length) take(event.dataTransfer.files[0]);
  });

  window.emosllm = { ask };
})();
