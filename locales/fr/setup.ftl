### The first administrator.

setup-title = Installation
setup-heading = Créer le premier administrateur
setup-text = Ce lien ne fonctionne qu’une fois. Choisissez l’identifiant et le mot de passe avec lesquels vous administrerez ce serveur.
setup-username = Identifiant
setup-username-hint = Un nom court ou une adresse e-mail.
setup-submit = Créer l’administrateur
