//! Browser sessions: begin, resume, end.
