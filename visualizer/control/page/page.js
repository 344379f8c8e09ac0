"use strict";
// Every control of the show, laid out from what the server tells of it, and kept in step with all other ways.

const $ = (id) => document.getElementById(id);
const FLOOR_DB = -60;
const HELD_MS = 400; // a slider under somebody's finger isn't moved by others
const shows = {}; // name: what brings a control up to date
let socket = null;
let wait = 250;
let stills = [];

function order(control, verb, amount) {
  if (socket && socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ control, verb, amount }));
}

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const capital = (words) => words[0].toUpperCase() + words.slice(1);
const label = (name) => capital(name).replaceAll("_", " ");

function slider(control) {
  const id = `value-${control.name}`;
  const input = make("input", { id, type: "range", min: 0, max: 1000, step: 1, "aria-describedby": `${id}-help` });
  const output = make("output", { for: id });
  let touched = -Infinity, waiting = null;
  input.addEventListener("input", () => {
    touched = performance.now();
    if (waiting === null) requestAnimationFrame(() => { order(control.name, "share", waiting / 1000); waiting = null; });
    waiting = Number(input.value);
  });
  shows[control.name] = (state) => {
    output.value = state.text;
    input.setAttribute("aria-valuetext", state.text);
    if (performance.now() - touched > HELD_MS) input.value = Math.round(1000 * state.share);
  };
  return make("div", { class: "value" }, make("label", { for: id }, label(control.name)), output, input,
    make("p", { id: `${id}-help`, class: "help" }, capital(control.help)));
}

function choice(control) {
  const id = `choice-${control.name}`;
  const select = make("select", { id }, ...control.options.map((name) => make("option", { value: name }, name)));
  select.addEventListener("change", () => order(control.name, "set", select.value));
  shows[control.name] = (state) => { select.value = state.value; };
  return make("div", { class: "choice" }, make("label", { for: id }, label(control.name)), select);
}

function onSwitch(control, button) {
  button.addEventListener("click", () =>
    order(control.name, "set", button.getAttribute("aria-checked") === "true" ? 0 : 1));
  shows[control.name] = (state) => button.setAttribute("aria-checked", String(Boolean(state.value)));
  return button;
}

function words(control) {
  const id = `words-${control.name}`;
  const input = make("input", { id, type: "text", maxlength: 200, placeholder: control.help, enterkeyhint: "send" });
  const form = make("form", { class: "value" }, make("label", { for: id }, label(control.name)), input);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    order(control.name, "set", input.value);
  });
  shows[control.name] = (state) => { if (document.activeElement !== input) input.value = state.value; };
  return form;
}

function trigger(control) {
  const button = make("button", { title: control.help }, label(control.name));
  button.addEventListener("click", () => order(control.name, "set", 1));
  return button;
}

function presets(control) {
  $("presets").replaceChildren(...control.options.map((name, place) => {
    const button = make("button", { "aria-pressed": "false" }, make("span", { class: "blank" }), name);
    button.addEventListener("click", () => order("preset", "set", name));
    button.dataset.place = place;
    return button;
  }));
  shows.preset = (state) => {
    for (const button of $("presets").children)
      button.setAttribute("aria-pressed", String(control.options[button.dataset.place] === state.value));
  };
}

function pictures(versions) {
  for (const button of $("presets").children) {
    const version = versions[button.dataset.place];
    if (!version || version === stills[button.dataset.place]) continue;
    const image = make("img", { alt: "", src: `still-${button.dataset.place}?${version}`, loading: "lazy" });
    button.firstElementChild.replaceWith(image);
  }
  stills = versions;
}

function layOut(controls) {
  stills = [];
  const sections = new Map();
  $("presets-more").replaceChildren();
  $("blackout").replaceWith($("blackout").cloneNode(true)); // without the listeners of the last connection
  for (const control of controls) {
    if (control.name === "preset") { presets(control); continue; }
    if (control.name === "blackout") { onSwitch(control, $("blackout")); continue; }
    if (!sections.has(control.section)) sections.set(control.section, { values: [], buttons: [] });
    const { values, buttons } = sections.get(control.section);
    if (control.kind === "value") values.push(slider(control));
    else if (control.kind === "choice") values.push(choice(control));
    else if (control.kind === "text") values.push(words(control));
    else if (control.kind === "switch")
      buttons.push(onSwitch(control, make("button", { role: "switch", "aria-checked": "false", title: control.help },
        label(control.name))));
    else buttons.push(trigger(control));
  }
  $("sections").replaceChildren();
  for (const [name, { values, buttons }] of sections) {
    if (name === "Presets") {
      $("presets-more").replaceChildren(...buttons, ...values);
      continue;
    }
    const id = `section-${name}`;
    $("sections").append(make("section", { "aria-labelledby": id }, make("h2", { id }, name),
      make("div", { class: "values" }, ...values), make("div", { class: "row" }, ...buttons)));
  }
  for (const control of controls) shows[control.name]?.(control);
  $("main").hidden = false;
}

function tell(facts) {
  if (facts.title) { $("title").textContent = facts.title; document.title = `${facts.title} - visualizer`; }
  $("listening").textContent = facts.listening;
  $("level").textContent = `${facts.level.toFixed(0)} dB`;
  $("fps").textContent = `${facts.fps.toFixed(0)} frames a second`;
  $("bar").style.transform = `scaleX(${Math.min(1, Math.max(0, 1 - facts.level / FLOOR_DB))})`;
}

function connect() {
  const url = new URL("live", location.href);
  url.protocol = "ws:";
  socket = new WebSocket(url);
  socket.onopen = () => { wait = 250; $("connection").textContent = "connected"; $("connection").className = ""; };
  socket.onmessage = (event) => {
    const news = JSON.parse(event.data);
    if (news.controls) layOut(news.controls);
    for (const [name, state] of Object.entries(news.values ?? {})) shows[name]?.(state);
    if (news.facts) tell(news.facts);
    if (news.stills) pictures(news.stills);
  };
  socket.onclose = () => {
    $("connection").textContent = "not connected, trying again";
    $("connection").className = "lost";
    setTimeout(connect, wait);
    wait = Math.min(5000, 2 * wait);
  };
}

document.addEventListener("visibilitychange", () => { if (!document.hidden) wait = 250; });
connect();
