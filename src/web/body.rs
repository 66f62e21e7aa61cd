//! Reads a request's body: limited in size and time, never decompressed (RFC 9110 §8.4, §15.5).
