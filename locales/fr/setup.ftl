### The first administrator.

setup-title = Installation
setup-heading = Créer le premier administrateur
setup-text = Ce lien ne fonctionne qu’une fois. Choisissez l’identifiant et le mot de passe avec lesquels vous administrerez ce serveur.
setup-username = Identifiant
setup-username-hint = Un nom court ou une adresse e-mail.
setup-password = Mot de passe
setup-password-hint = Au moins { $count } caractères. Quelques mots pris au hasard font un bon mot de passe.
setup-password-again = Répétez le mot de passe
setup-submit = Créer l’administrateur
setup-problems = Veuillez corriger ce qui suit :
setup-name-refused = Ceci ne peut pas servir d’identifiant. Utilisez des lettres, des chiffres, des points, des tirets, ou une adresse e-mail.
setup-name-taken = Cet identifiant est déjà pris.
setup-password-too-short = Le mot de passe doit compter au moins { $count } caractères.
setup-password-too-long = Le mot de passe ne peut pas dépasser 256 caractères.
setup-password-character = Le mot de passe contient un caractère inutilisable, comme un saut de ligne.
setup-password-is-name = Le mot de passe ne doit pas être l’identifiant.
setup-repetition-differs = Les deux mots de passe ne sont pas identiques.
