### Choosing a name, an address and a password; codes; and what may be wrong with them.

field-problems = Please correct the following:
field-username = Sign-in name
field-email = E-mail address
field-code = Code
field-current-password = Present password
field-password = Password
field-password-hint = { $count } characters or more. A few random words make a good one.
field-password-again = Repeat the password
field-name-refused = This can’t be a sign-in name. Use letters, digits, dots, hyphens, or an e-mail address.
field-name-taken = Somebody has this name already, or one that looks like it.
field-address-refused = This is not an e-mail address.
field-address-domain = Addresses of this domain can’t register here.
field-password-too-short = The password needs { $count } characters or more.
field-password-too-long = The password may have 256 characters at most.
field-password-character = The password holds a character that can’t be used, such as a line break.
field-password-from-context = The password is little more than your name, your address or the name of this site.
field-password-common = This is one of the passwords that are tried first.
field-password-breached = This password has become known in a theft of passwords somewhere. Choose another one, and change it wherever you use it.
field-password-too-weak = This password is guessed too easily. Take a few random words, or let your browser suggest one.
field-password-lacks-lowercase = The password needs a lower-case letter.
field-password-lacks-uppercase = The password needs an upper-case letter.
field-password-lacks-digit = The password needs a digit.
field-password-lacks-symbol = The password needs a character that is neither letter nor digit.
field-password-uncheckable = The password can’t be checked at the moment. Please try again.
field-repetition-differs = The two passwords are not the same.
field-current-password-wrong = This is not your present password.
field-code-wrong = This code doesn’t fit. It may be mistyped, too old, or tried too often.
field-challenge = Many people are registering just now. Please enter your password once more: your browser first does a little work, which keeps machines out.
field-too-many = That was tried too often. Please wait a few minutes.

strength = Strength
strength-0 = very weak
strength-1 = weak
strength-2 = fair
strength-3 = good
strength-4 = strong
