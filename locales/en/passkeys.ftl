### Passkeys: using one, setting one up, and what a person has.

passkey-use = Use a passkey
passkey-failed = No passkey was used. You can try again, or choose another way.
passkey-known = This device has a passkey for this site already.
passkey-refused = This passkey could not be set up. Please try again.
passkey-untrusted = Passkeys of this device or app are not accepted here. Use a security key or device that your organisation allows.
passkey-too-many = You have as many passkeys as you may have. Remove one first.
passkey-needs-script = Passkeys need JavaScript, which is switched off in your browser.
passkey-unsupported = This browser can’t use passkeys.

passkey-new-title = Set up a passkey
passkey-new-heading = Set up a passkey
passkey-new-text = With a passkey you log in by your fingerprint, your face, or the PIN of your device. There is nothing to remember, and nothing that a false page could ask you for.
passkey-required = You need a passkey to go on.
passkey-new-submit = Create a passkey

passkey-name-title = Name your passkey
passkey-added-heading = Your passkey is ready
passkey-name-text = Give it a name by which you will know it among others.
passkey-name = Name
passkey-name-submit = Save
passkey-second-only = This passkey did not ask for a PIN, a fingerprint or a face. It works after your password, and not in its place.

security-passkeys = Passkeys
security-passkeys-text = Log in by the lock of your device, with nothing to type. Set up a second one in case you lose the first.
security-passkey-synchronised = Synchronised
security-passkey-second = After a password
security-passkey-added = Added
security-passkey-used = Last used
security-passkey-add = Add a passkey
security-passkey-rename = Rename
security-passkey-remove = Remove
security-passkey-stays = You need this one to log in. Add another one before you remove it.
security-without-password = Do without a password
security-without-password-text = You log in with a passkey only, and your password works nowhere any more. Have more than one passkey, and make recovery codes, before you do this. Your other sessions end.
security-remove-password = Remove my password
security-no-password = Your account has no password. Have more than one passkey, in case you lose one.
