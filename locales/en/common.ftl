### What several pages share.

product = Ostiary
page-title = { $title } – Ostiary
page-title-problem = Error: { $title } – Ostiary
# The host that serves the page, in its footer.
served-by = You are on { $host }
# The language’s own name for itself.
language-name = English
languages = Languages
continue = Continue
cancel = Cancel
show-password = Show
show-password-label = Show the password
hide-password = Hide
form-stale = This page was open for too long. Please try again.
client-policy = Privacy policy
client-terms = Terms of service
# A group of links. $client is the client's name.
client-links = { $client }
device-on = { $browser } on { $system }
device-unknown = Unknown browser
