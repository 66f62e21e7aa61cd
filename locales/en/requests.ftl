### An application asks somebody who is elsewhere.

nav-requests = Requests
requests-heading = Who asks for you
requests-text = These applications want to know whether it is you whom they have to do with. Allow only what you began yourself, or expect.
requests-none = Nobody asks for you at the moment.
requests-since = Since
requests-open = Look at it
requests-waiting = { $count ->
    [one] An application asks for you
   *[other] { $count } applications ask for you
}
request-warning = Only go on if you began this yourself, or expect it. It was not you who opened this application in this browser: whoever did gets the access.
request-message = It says:
request-message-hint = Deny it if this is not what you see there.
request-allowed-title = You allowed it
request-allowed-text = The application goes on by itself. You can close this page.
request-denied-title = You denied it
request-denied-text = The application was told that you said no. You can close this page.
