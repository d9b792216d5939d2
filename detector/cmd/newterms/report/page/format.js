'use strict';
// Numbers and times in words, and elements. Whatever is shown is set as text.

const data = JSON.parse(document.getElementById('data').textContent);

const byId = (id) => document.getElementById(id);

// el makes an element: el('p', {class: 'quiet'}, 'text', another).
function el(name, attributes, ...children) {
  const e = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key.startsWith('on')) e.addEventListener(key.slice(2), value);
    else if (value !== null && value !== undefined) e.setAttribute(key, value);
  }
  e.append(...children);
  return e;
}

const number = (n) => n.toLocaleString('en-US');
const count = (n, noun) => number(n) + ' ' + noun + (n === 1 ? '' : 's');
const two = (n) => String(n).padStart(2, '0');

// moment writes unix ms as 2026-01-31 18:00:00.
function moment(ms) {
  return ms ? new Date(ms).toISOString().slice(0, 19).replace('T', ' ') : '–';
}

// span writes a length of time in its largest whole unit.
function span(ms) {
  for (const [length, name] of [[864e5, 'day'], [36e5, 'hour'], [6e4, 'minute'], [1e3, 'second']]) {
    if (ms >= length && ms % length === 0) return ms === length ? name : ms / length + ' ' + name + 's';
  }
  return ms + ' ms';
}

// theColour returns what a variable of the style says at the moment.
const theColour = (name) => getComputedStyle(document.documentElement).getPropertyValue('--' + name).trim();
