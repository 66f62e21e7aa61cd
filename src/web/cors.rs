//! Cross-origin access, decided per endpoint (Fetch standard).
