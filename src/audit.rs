//! The audit log's queue for refusals of anonymous requests: bounded, batched, repeats folded into one row with a count.
