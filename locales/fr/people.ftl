### Registering, recovering an account, changing the password and the address.

register-title = Créer un compte
register-heading = Créez votre compte
register-submit = Créer le compte
register-have-account = Vous avez déjà un compte ?
register-log-in = Se connecter

code-register-title = Confirmez votre adresse e‑mail
code-recover-title = Consultez vos e-mails
code-email-title = Confirmez votre adresse e‑mail
code-sent-to = Nous avons envoyé un message à { $address }. S’il contient un code, saisissez-le ici.
code-sent-perhaps = S’il existe un compte de ce nom, un code est en route vers son adresse e-mail. Saisissez-le ici.
code-hint = Six chiffres. Ils sont valables dix minutes, et dans ce navigateur seulement.
code-again = Envoyer un nouveau code

recover-title = Mot de passe oublié
recover-heading = Mot de passe oublié ?
recover-text = Nous envoyons un code à l’adresse e‑mail de votre compte. Il vous permettra de choisir un nouveau mot de passe.
recover-username = Identifiant ou adresse e-mail
recover-submit = Envoyer le code
recover-password-title = Choisissez un nouveau mot de passe
recover-password-text = Vous serez déconnecté partout, puis vous vous connecterez avec le nouveau mot de passe.

password-save = Enregistrer le nouveau mot de passe
change-password-title = Changer de mot de passe
change-password-text = Vous restez connecté ici, et serez déconnecté partout ailleurs. Les applications connectées devront redemander l’accès.

change-email-title = Changer d’adresse e‑mail
change-email-present = Votre adresse est { $address }. Nous envoyons un code à la nouvelle ; rien ne change tant que vous ne l’avez pas saisi.
change-email-none = Votre compte n’a pas encore d’adresse. Nous lui envoyons un code.
change-email-submit = Envoyer le code
