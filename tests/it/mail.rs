//! Mail: the outbox and what sends it.

mod outbox;
