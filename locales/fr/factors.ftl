### Second factors: proving one, setting one up, and what a person has.

factor-title = Second facteur
factor-heading = Confirmez que c’est bien vous
factor-code = Code de votre application d’authentification
factor-code-hint = Six chiffres qui changent toutes les 30 secondes.
factor-submit = Continuer
factor-wrong = Ce code est incorrect, ou il a déjà servi. Veuillez attendre le suivant.
factor-passkey-refused = Cette clé d’accès n’a pas été acceptée. Veuillez réessayer, ou choisir un autre moyen.
factor-too-many = Trop de codes ont été essayés. Veuillez patienter avant de réessayer.
factor-use-recovery-code = Utiliser plutôt un code de secours
factor-recovery-code = Code de secours
factor-recovery-code-hint = L’un des dix codes que vous avez conservés. Chacun ne sert qu’une fois.

reauthenticate-title = Confirmez que c’est bien vous
reauthenticate-wrong = Le mot de passe est incorrect.
reauthenticate-use-code = Utiliser plutôt un code de votre application d’authentification

enrolment-title = Configurer une application d’authentification
enrolment-heading = Configurez une application d’authentification
enrolment-required = Il vous faut un second facteur pour continuer.
enrolment-scan = Scannez ceci avec une application d’authentification sur votre téléphone.
enrolment-qr = Code QR pour votre application d’authentification. Son contenu figure en toutes lettres ci-dessous.
enrolment-no-scan = Impossible de le scanner ?
enrolment-type = Saisissez ceci dans l’application, comme clé temporelle :
enrolment-open = L’ouvrir dans une application de cet appareil
enrolment-code = Les six chiffres affichés par l’application
enrolment-submit = Activer
enrolment-wrong = Ce code est incorrect. Vérifiez que votre téléphone est à l’heure, puis attendez le code suivant.
enrolment-stale = Cette page est restée ouverte trop longtemps. Veuillez scanner le nouveau code QR.

recovery-title = Codes de secours
recovery-heading = Conservez ces codes de secours
recovery-text = Chacun vous permet d’entrer une fois si vous perdez votre téléphone.
recovery-once = Ils ne sont affichés que maintenant. Gardez-les là où personne d’autre ne les trouvera ; les codes précédents ne fonctionnent plus.
recovery-download = Télécharger
recovery-print = Imprimer
recovery-saved = Je les ai conservés

nav-security = Sécurité
security-heading = Sécurité
security-totp = Application d’authentification
security-totp-none = Un code d’une application de votre téléphone, demandé après votre mot de passe : il ne suffit plus de connaître votre mot de passe pour entrer.
security-totp-add = Configurer une application
security-totp-added = Ajoutée
security-totp-used = Dernière utilisation
security-totp-replace = Utiliser une autre application
security-totp-remove = Retirer
security-totp-required = Votre administrateur exige un second facteur : vous pouvez le remplacer, mais pas le retirer.
security-recovery = Codes de secours
security-recovery-left = { $count ->
    [0] Il ne vous reste aucun code de secours. Créez-en de nouveaux, ou vous risquez de perdre votre compte avec votre téléphone.
    [one] Il vous reste un code de secours.
   *[other] Il vous reste { $count } codes de secours.
}
security-recovery-new = Créer de nouveaux codes
