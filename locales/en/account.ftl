### A person's start page, and the administrator's.

nav-label = Main
nav-account = Account
nav-admin = Administration
nav-logout = Log out

account-heading = Your account
account-name = Sign-in name
account-roles = Roles
account-this-session = This browser
account-last-seen = Last seen
account-address = Address
account-end-session = End session
account-end-others = End all other sessions
account-no-apps = No application has access to your account.
account-app-since = Since
account-remove-app = Remove access

admin-title = Administration
admin-heading = Administration
admin-text = You administer { $issuer }
admin-counts = At a glance
admin-users = People
admin-clients = Applications
admin-sessions = Sessions
admin-keys = Signing keys
admin-interfaces = Interfaces
admin-api = Management API description
admin-discovery = OpenID Connect discovery
admin-jwks = Public signing keys
admin-command-line = Everything can be managed on the command line and through the management API.
account-email = E-mail address
account-email-verified = confirmed
account-email-unverified = not confirmed
account-verify-email = Confirm the address
