### Choosing a name, an address and a password; codes; and what may be wrong with them.

field-problems = Veuillez corriger ce qui suit :
field-username = Identifiant
field-email = Adresse e-mail
field-code = Code
field-current-password = Mot de passe actuel
field-password = Mot de passe
field-password-hint = Au moins { $count } caractères. Quelques mots pris au hasard font un bon mot de passe.
field-password-again = Répétez le mot de passe
field-name-refused = Ceci ne peut pas servir d’identifiant. Utilisez des lettres, des chiffres, des points, des tirets, ou une adresse e-mail.
field-name-taken = Cet identifiant est déjà pris, ou ressemble trop à un autre.
field-address-refused = Ceci n’est pas une adresse e-mail.
field-address-domain = Les adresses de ce domaine ne peuvent pas s’inscrire ici.
field-password-too-short = Le mot de passe doit compter au moins { $count } caractères.
field-password-too-long = Le mot de passe ne peut pas dépasser 256 caractères.
field-password-character = Le mot de passe contient un caractère inutilisable, comme un saut de ligne.
field-password-from-context = Le mot de passe n’est guère plus que votre nom, votre adresse ou le nom de ce site.
field-password-common = C’est l’un des mots de passe que l’on essaie en premier.
field-password-breached = Ce mot de passe a été révélé par un vol de données. Choisissez-en un autre, et changez-le partout où vous l’utilisez.
field-password-too-weak = Ce mot de passe est trop facile à deviner. Prenez quelques mots au hasard, ou laissez votre navigateur en proposer un.
field-password-lacks-lowercase = Il faut au mot de passe une lettre minuscule.
field-password-lacks-uppercase = Il faut au mot de passe une lettre majuscule.
field-password-lacks-digit = Il faut au mot de passe un chiffre.
field-password-lacks-symbol = Il faut au mot de passe un caractère qui ne soit ni une lettre ni un chiffre.
field-password-uncheckable = Le mot de passe ne peut pas être vérifié en ce moment. Veuillez réessayer.
field-repetition-differs = Les deux mots de passe ne sont pas identiques.
field-current-password-wrong = Ce n’est pas votre mot de passe actuel.
field-code-wrong = Ce code ne convient pas. Il est peut-être mal recopié, trop ancien, ou a été essayé trop souvent.
field-challenge = Beaucoup de personnes s’inscrivent en ce moment. Veuillez saisir à nouveau votre mot de passe : votre navigateur fait d’abord un petit travail, qui tient les machines à l’écart.
field-too-many = Trop de tentatives. Veuillez patienter quelques minutes.

strength = Solidité
strength-0 = très faible
strength-1 = faible
strength-2 = moyenne
strength-3 = bonne
strength-4 = forte
