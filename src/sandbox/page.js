"use strict";
// Keeps the chats of this page live: each event brings one message as HTML that the server has escaped.

const page = document.body.dataset;
const unread = new Map();

function chatOf(member) {
  return [...document.querySelectorAll(".chat")].find((chat) => chat.dataset.member === member);
}

function personOf(member) {
  return [...document.querySelectorAll(".person")].find((person) => person.dataset.person === member);
}

function toEnd(chat) {
  chat.scrollTop = chat.scrollHeight;
}

function show(message) {
  const chat = chatOf(message.member);
  if (chat && !chat.querySelector(`[data-seq="${message.seq}"]`)) {
    const atEnd = chat.scrollHeight - chat.scrollTop - chat.clientHeight < 120;
    chat.insertAdjacentHTML("beforeend", message.html);
    chat.lastElementChild.classList.add("new");
    while (chat.childElementCount > 400) chat.firstElementChild.remove();
    if (atEnd) toEnd(chat);
  }
  const person = personOf(message.member);
  if (person) {
    person.querySelector(".preview").textContent = message.preview;
    person.querySelector("time").textContent = message.time;
    if (!chat) {
      unread.set(message.member, (unread.get(message.member) || 0) + 1);
      person.querySelector(".unread").textContent = unread.get(message.member);
    }
  }
}

document.querySelectorAll(".chat").forEach(toEnd);

const query = new URLSearchParams({ since: page.since });
if (page.only) query.set("member", page.only);
const source = new EventSource(`/sandbox/stream?${query}`);
source.addEventListener("hello", (event) => {
  document.body.classList.add("connected");
  if (JSON.parse(event.data).run !== page.run) location.reload();
});
source.addEventListener("message", (event) => show(JSON.parse(event.data)));
source.addEventListener("error", () => document.body.classList.remove("connected"));
