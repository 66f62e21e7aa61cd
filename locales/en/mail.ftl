### Mails. Each kind has a subject, what stands before the code, details or link, and what stands after it.

mail-footer = Sent by { $issuer }. Nobody reads what is sent back to this address.
mail-device = Device:
mail-address = Network address:
mail-time = Time:
mail-application = Application:
mail-binding-message = It says:
mail-link-request = Look at it
mail-link-account = Open your account
mail-link-login = Log in
mail-link-register = Register

mail-register-code = Confirm your e-mail address
    .text = Enter this code to go on with your registration at { $host }:
    .after = It works for 10 minutes. Nobody will ever ask you for it. If you did not want to register, you can ignore this mail: without the code nothing happens.
mail-account-exists = You have an account already
    .text = Somebody, perhaps you, tried to register at { $host } with this address. There is an account with it already: log in, or choose a new password if you have forgotten yours.
    .after = If it was not you, there is nothing to do. Whoever it was did not learn that you have an account.
mail-verify-email = Confirm your e-mail address
    .text = Enter this code at { $host } to confirm that this address is yours:
    .after = It works for 10 minutes. Nobody will ever ask you for it. If you did not ask for it, you can ignore this mail.
mail-change-email = Confirm your new e-mail address
    .text = Enter this code at { $host } to make this the address of your account:
    .after = It works for 10 minutes. Nobody will ever ask you for it. If you did not ask for it, you can ignore this mail: your account keeps the address it has.
mail-email-changed = Your e-mail address was changed
    .text = Your account at { $host } has a new e-mail address: { $address }. From now on, mails about your account go there.
    .after = If that was not you, somebody else may be using your account. Ask the administrator for help at once.
mail-reset-password = Choose a new password
    .text = Enter this code at { $host } to choose a new password:
    .after = It works for 10 minutes. Nobody will ever ask you for it. If you did not ask for it, you can ignore this mail: your password stays as it is.
mail-no-password = Your account has no password
    .text = Somebody, perhaps you, asked for a new password for your account at { $host }. It has none, and none can be set by mail: you log in with a passkey.
    .after = If you have lost your passkeys, ask the administrator for help. If it was not you, there is nothing to do: whoever it was did not learn that you have an account.
mail-password-changed = Your password was changed
    .text = The password of your account at { $host } was changed. Other devices were logged out.
    .after = If that was not you, choose a new password at once, and look at where you are logged in.
mail-password-removed = Your password was removed
    .text = Your account at { $host } has no password any more: from now on you log in with a passkey. Other devices were logged out.
    .after = If that was not you, somebody else may be using your account. Ask the administrator for help at once.
mail-new-device = Somebody logged in to your account
    .text = Somebody logged in to your account at { $host } from a device that was not seen there before.
    .after = If it was you, all is well. If not, end that session on your account page and change your password.
mail-asked = An application asks for you
    .text = An application asks, by way of { $host }, whether it is you whom it has to do with.
    .after = Allow it only if you began this yourself, or expect it. Otherwise deny it, or ignore this mail: without you nothing happens.
mail-factor-added = New protection for your account
    .text = { $what ->
        [totp] An authenticator app was added to your account at { $host }.
        [recovery-codes] New recovery codes were made for your account at { $host }. Older ones no longer work.
       *[passkey] The passkey “{ $name }” was added to your account at { $host }.
    }
    .after = If that was not you, change your password at once, and look at your account page to see what protects it.
mail-factor-removed = Less protection for your account
    .text = { $what ->
        [totp] The authenticator app was removed from your account at { $host }.
        [recovery-codes] The recovery codes of your account at { $host } were removed.
       *[passkey] The passkey “{ $name }” was removed from your account at { $host }.
    }
    .after = If that was not you, change your password at once and add your protection anew.
mail-factors-reset = Your second factors were removed
    .text = An administrator removed every second factor of your account at { $host }: authenticator app, recovery codes and passkeys.
    .after = Add new ones on your account page. If you did not ask for this, ask the administrator why it was done.
mail-recovery-code-used = A recovery code was used
    .text = Somebody logged in to your account at { $host } with a recovery code. { $count ->
        [0] None is left: make new ones.
        [one] One is left: make new ones.
       *[other] { $count } are left.
    }
    .after = If that was not you, change your password at once and make new recovery codes.
mail-passkey-suspicious = One of your passkeys may have been copied
    .text = Something about your passkey “{ $name }” at { $host } suggests that there is a copy of it.
    .after = If you can’t explain that, remove the passkey on your account page and add a new one.
mail-password-locked = Many wrong passwords were tried
    .text = So many wrong passwords were entered for your account at { $host } that on unknown devices your password is not accepted for a while. Devices that you have logged in on before work as ever, and so do passkeys.
    .after = You need not do anything. If you are locked out yourself, choose a new password: “Forgotten your password?” on the login page leads there.
mail-invitation = You are invited to { $host }
    .text = You were invited to register at { $host }. Open this page to choose how you will log in.
    .after = The link is for you alone and works once. If you did not expect it, you can ignore this mail.
mail-deletion-scheduled = Your account will be deleted
    .text = As you asked, your account at { $host } will be deleted on { $date }.
    .after = If you change your mind, log in before then. If it was not you who asked, log in now and change your password.
mail-test = Mail works
    .text = This mail was sent from { $host } to try whether mail can be sent. It can.
    .after = There is nothing to do.
mail-account-deleted = Your account was deleted
    .text = As you asked, your account at { $host } was deleted, with everything that belonged to it.
    .after = Nobody can log in with it any more. You need not do anything.
