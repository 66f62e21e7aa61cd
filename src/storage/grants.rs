//! Authorizations given by a person to a client: the families of tokens.
