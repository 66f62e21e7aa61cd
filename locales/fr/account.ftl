### A person's start page, and the administrator's.

nav-label = Navigation principale
nav-account = Compte
nav-admin = Administration
nav-logout = Se déconnecter

account-heading = Votre compte
account-name = Identifiant
account-roles = Rôles
account-this-session = Ce navigateur
account-last-seen = Dernière activité
account-address = Adresse
account-end-session = Mettre fin à la session
account-end-others = Mettre fin à toutes les autres sessions
account-no-apps = Aucune application n’a accès à votre compte.
account-app-since = Depuis
account-remove-app = Retirer l’accès

admin-title = Administration
admin-heading = Administration
admin-text = Vous administrez { $issuer }
admin-counts = En un coup d’œil
admin-users = Personnes
admin-clients = Applications
admin-sessions = Sessions
admin-keys = Clés de signature
admin-interfaces = Interfaces
admin-api = Description de l’API de gestion
admin-discovery = Découverte OpenID Connect
admin-jwks = Clés de signature publiques
admin-command-line = Tout peut être géré en ligne de commande et par l’API de gestion.
account-email = Adresse e-mail
account-email-verified = confirmée
account-email-unverified = non confirmée
account-verify-email = Confirmer l’adresse
