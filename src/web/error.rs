//! Renders an error once, for the audience that gets it.
