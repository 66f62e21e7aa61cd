//! What operators are given beside the program: the image, the manifests, the examples of reverse proxies.

mod image;
mod manifests;
mod proxies;
