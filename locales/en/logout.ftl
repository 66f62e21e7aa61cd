### Logging out.

logout-title = Log out
logout-heading = Log out?
logout-text = You are logged in as { $name }. Applications that you use with this account may ask you to log in again.
logout-submit = Log out
logout-return = You will then return to { $place }.
signed-out-title = Logged out
signed-out-heading = You are logged out
signed-out-text = On a computer that others use, close the browser too.
signed-out-again = Log in again
