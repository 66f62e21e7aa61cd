// A worker that looks for the number that makes the SHA-256 of "challenge.number" begin with enough zero bits. It gets the
// challenge, in which the bits stand, and sends the number. SHA-256 (FIPS 180-4) by hand: crypto.subtle answers one promise
// for each hash, which is a hundred times slower for texts as short as these.
"use strict";

const K = new Int32Array(64);
const START = new Int32Array(8);
{
  // The first 32 bits of the fractions of the cube roots of the first 64 primes, and of the square roots of the first 8.
  const fraction = (value) => ((value - Math.floor(value)) * 2 ** 32) | 0;
  for (let number = 2, found = 0; found < 64; number++) {
    let prime = true;
    for (let divisor = 2; divisor * divisor <= number; divisor++) {
      prime &&= number % divisor !== 0;
    }
    if (prime) {
      if (found < 8) START[found] = fraction(Math.sqrt(number));
      K[found++] = fraction(Math.cbrt(number));
    }
  }
}

const W = new Int32Array(64);

// Works the 16 words at the beginning of W into the state.
function compress(state) {
  for (let i = 16; i < 64; i++) {
    const x = W[i - 15];
    const y = W[i - 2];
    const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
    const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
    W[i] = (W[i - 16] + s0 + W[i - 7] + s1) | 0;
  }
  let a = state[0], b = state[1], c = state[2], d = state[3], e = state[4], f = state[5], g = state[6], h = state[7];
  for (let i = 0; i < 64; i++) {
    const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
    const t1 = (h + s1 + ((e & f) ^ (~e & g)) + K[i] + W[i]) | 0;
    const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
    const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g; g = f; f = e; e = (d + t1) | 0; d = c; c = b; b = a; a = (t1 + t2) | 0;
  }
  state[0] += a; state[1] += b; state[2] += c; state[3] += d;
  state[4] += e; state[5] += f; state[6] += g; state[7] += h;
}

function load(view, from) {
  for (let i = 0; i < 16; i++) W[i] = view.getInt32(from + 4 * i);
}

function solve(challenge) {
  const bits = Number(challenge.split(".")[2]);
  const text = new TextEncoder().encode(challenge + ".");
  // What stands before the block in which the number begins is worked in once.
  const whole = text.length & ~63;
  const before = START.slice();
  for (let from = 0; from < whole; from += 64) {
    load(new DataView(text.buffer), from);
    compress(before);
  }
  const at = text.length - whole;
  const block = new Uint8Array(128);
  const view = new DataView(block.buffer);
  block.set(text.subarray(whole));
  const state = new Int32Array(8);
  for (let number = 0, digits = 0, size = 64; ; number++) {
    // The digits, the last first; the rest of the block changes with their number only.
    const places = number === 0 ? 1 : Math.floor(Math.log10(number) + 1e-12) + 1;
    if (places !== digits) {
      digits = places;
      block.fill(0, at);
      block[at + digits] = 0x80;
      size = at + digits + 9 <= 64 ? 64 : 128;
      view.setUint32(size - 4, (text.length + digits) * 8);
    }
    for (let place = at + digits - 1, rest = number; place >= at; place--) {
      const next = Math.floor(rest / 10);
      block[place] = 48 + rest - 10 * next;
      rest = next;
    }
    state.set(before);
    for (let from = 0; from < size; from += 64) {
      load(view, from);
      compress(state);
    }
    if (Math.clz32(state[0]) >= bits) return String(number);
  }
}

if (typeof self !== "undefined") {
  self.onmessage = (event) => self.postMessage(solve(event.data));
}
