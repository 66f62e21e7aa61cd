//! What operators see: figures, traces, lines of the log (issue 5 "Seeing", behaviours OP1, OP2, Y10).

mod deploy;
mod endpoints;
mod figures;
mod health;
mod log;
mod traces;
