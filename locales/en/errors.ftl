### Error pages. Each has a title and a text that say what the reader can do.

error-reference = Reference
error-status = Status
error-reference-text = Please give this reference when you ask for help.

error-bad-request = This request can’t be understood
    .text = Go back to the application you came from, and start again.
error-unknown-client = This application is not known here
    .text = The link that brought you here names an application that isn’t registered, or that was switched off. Nothing was sent to it.
error-redirect-uri = This application can’t be trusted with a login
    .text = The address it wants you to return to is not one that it registered. You were not sent there, and it was told nothing.
error-flow-expired = This login took too long, or was begun in another browser
    .text = Go back to the application you came from, and start again.
error-go-on = Go back to the application
error-device = This is too late
    .text = The code has expired, or somebody decided about the device already. Begin again on the device: it shows a new code. If you allowed it and would rather not have, you find it among the sessions of your account, and can end it there.
error-request = This is too late
    .text = The request has expired, or you decided about it already. The application can ask again. If you allowed it and would rather not have, you find it among the sessions of your account, and can end it there.
error-form = This form can’t be used any more
    .text = It was open for too long, or it was not sent from this site. Go back, reload the page, and try again.
error-setup-link = This set-up link no longer works
    .text = It was used already, or it has expired. Start the server again for a new one, or ask the administrator.
error-registration = You can’t register here in this way
    .text = Registration is closed, or the link of your invitation was used already, or has expired. Ask whoever invited you for another one.
error-recovery = This is too late
    .text = The code was used already, or too long ago. Start again with “Forgot your password?”.
error-forbidden = This page is not for you
    .text = You are logged in, but without the role that this page asks for.
error-not-found = There is nothing here
    .text = Check the address, or go back to the application you came from.
error-method = This page can’t be used that way
    .text = Go back to the application you came from, and start again.
error-too-large = That was too much
    .text = The request holds more than this server accepts.
error-too-many = Too many requests
    .text = Please wait a moment, and try again.
error-unavailable = The service is not available at the moment
    .text = Nothing is lost. Please try again in a few minutes.
error-internal = Something went wrong
    .text = It is not your fault. The cause has been recorded.

form-post-title = One moment
form-post-text = You are being returned to the application.
