### What several pages share.

product = Ostiary
page-title = { $title } – Ostiary
page-title-problem = Erreur : { $title } – Ostiary
# The host that serves the page, in its footer.
served-by = Vous êtes sur { $host }
# The language’s own name for itself.
language-name = Français
languages = Langues
continue = Continuer
cancel = Annuler
show-password = Afficher
show-password-label = Afficher le mot de passe
hide-password = Masquer
form-stale = Cette page est restée ouverte trop longtemps. Veuillez réessayer.
client-policy = Politique de confidentialité
client-terms = Conditions d’utilisation
# A group of links. $client is the client's name.
client-links = { $client }
device-on = { $browser } sur { $system }
device-unknown = Navigateur inconnu
