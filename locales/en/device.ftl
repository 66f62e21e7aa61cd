### Connecting a device that shows a code: a television, a console, a command line.

device-title = Connect a device
device-lead = Enter the code that your device shows. It asks for access to your account.
device-code = Code
device-code-hint = Eight letters. They are good for ten minutes.
device-code-refused = This code doesn’t fit. It may be mistyped, too old, or already used.
device-warning = Only go on if you began this yourself and your device shows this code. If somebody sent it to you, they would get the access.
device-allowed-title = Your device is connected
device-allowed-text = Go back to it: in a few seconds it goes on by itself. You can close this page.
device-denied-title = The device was not connected
device-denied-text = It was told that you said no. You can close this page.
device-to-account = Go to your account
