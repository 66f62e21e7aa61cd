### The first administrator.

setup-title = Set up
setup-heading = Create the first administrator
setup-text = This link works once. Choose the name and the password you will administer this server with.
setup-username = Sign-in name
setup-username-hint = A short name or an e-mail address.
setup-submit = Create administrator
