//! Opens what every command needs: configuration, data folder, master key, database.
