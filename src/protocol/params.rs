//! Request parameters, parsed: UTF-8, limited in number, duplicates remembered (RFC 6749 §3.1, §3.2).
