//! The OpenAPI 3.1 description, made from the handlers.
