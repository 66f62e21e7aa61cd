### The first administrator.

setup-title = Set up
setup-heading = Create the first administrator
setup-text = This link works once. Choose the name and the password you will administer this server with.
setup-username = Sign-in name
setup-username-hint = A short name or an e-mail address.
setup-password = Password
setup-password-hint = { $count } characters or more. A few random words make a good one.
setup-password-again = Repeat the password
setup-submit = Create administrator
setup-problems = Please correct the following:
setup-name-refused = This can’t be a sign-in name. Use letters, digits, dots, hyphens, or an e-mail address.
setup-password-refused = The password needs { $count } characters or more.
setup-repetition-differs = The two passwords are not the same.
