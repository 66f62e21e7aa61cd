//! Sealing of data at rest and of state that travels through the browser (AES-256-GCM).
