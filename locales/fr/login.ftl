### Logging in, choosing the account, consent.

login-title = Connexion
login-title-for = Connexion à { $client }
login-heading = Connexion
login-continue-to = pour continuer vers { $client }
login-again-heading = Confirmez que c’est bien vous
login-again-text = Vous êtes déjà connecté. Veuillez saisir à nouveau votre mot de passe pour continuer.
login-again-text-for = { $client } vous demande de saisir à nouveau votre mot de passe.
login-username = Identifiant
login-password = Mot de passe
login-submit = Se connecter
login-register = Créer un compte
login-recover = Mot de passe oublié ?
login-refused = L’identifiant ou le mot de passe est incorrect.
login-too-many-codes = Trop de codes incorrects. Veuillez vous reconnecter.
login-challenge = Il y a eu de nombreuses tentatives de connexion. Veuillez saisir à nouveau votre mot de passe : votre navigateur effectue d’abord un petit travail, qui empêche les machines de deviner.
proof-working = Votre navigateur effectue un petit travail qui empêche les machines de deviner…
proof-done = Prêt.
proof-wait = Sans JavaScript, veuillez attendre { $count } secondes avant de continuer.
login-passkey = Se connecter avec une clé d’accès
login-or = ou
login-passkey-refused = Cette clé d’accès n’a pas été acceptée. Veuillez réessayer, ou vous connecter autrement.
login-overloaded = Trop de personnes se connectent en ce moment. Veuillez réessayer dans un instant.

select-title = Choisir un compte
select-heading = Choisissez un compte
select-logged-in = Connecté ici
select-another = Utiliser un autre compte

consent-title = Autoriser l’accès
consent-heading = { $client } demande l’accès à votre compte
consent-logged-in-as = Connecté en tant que { $name }
consent-not-you = Ce n’est pas vous ?
consent-scopes = L’application pourra :
consent-claims = Il lui sera communiqué :
consent-resources = Elle l’utilisera auprès de :
consent-details = En détail :
consent-fixed = Nécessaire à la connexion
consent-unvouched = Cette application s’est inscrite elle-même, et personne parmi les responsables de ce serveur ne l’a examinée. Ce que vous autorisez va à { $place }.
by-hand-title = L’application a demandé quelque chose qu’elle ne peut pas obtenir
by-hand-text = Elle se trouve à { $place }, s’est inscrite elle-même, et personne parmi les responsables de ce serveur ne l’a examinée. Vous n’êtes pas obligé d’y retourner.
by-hand-error = Ce qui lui est répondu
by-hand-go = Retourner à { $place }
consent-return = Vous retournerez ensuite à { $place }.
consent-allow = Autoriser
consent-deny = Refuser
login-remember = Rester connecté sur cet appareil
