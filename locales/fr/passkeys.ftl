### Passkeys: using one, setting one up, and what a person has.

passkey-use = Utiliser une clé d’accès
passkey-failed = Aucune clé d’accès n’a été utilisée. Vous pouvez réessayer ou choisir un autre moyen.
passkey-known = Cet appareil a déjà une clé d’accès pour ce site.
passkey-refused = Cette clé d’accès n’a pas pu être configurée. Veuillez réessayer.
passkey-untrusted = Les clés d’accès de cet appareil ou de cette application ne sont pas acceptées ici. Utilisez une clé de sécurité ou un appareil que votre organisation autorise.
passkey-too-many = Vous avez autant de clés d’accès qu’il est permis. Supprimez-en d’abord une.
passkey-needs-script = Les clés d’accès nécessitent JavaScript, qui est désactivé dans votre navigateur.
passkey-unsupported = Ce navigateur ne prend pas en charge les clés d’accès.

passkey-new-title = Configurer une clé d’accès
passkey-new-heading = Configurez une clé d’accès
passkey-new-text = Avec une clé d’accès, vous vous connectez par votre empreinte digitale, votre visage ou le code de votre appareil. Il n’y a rien à retenir, et rien qu’une fausse page puisse vous demander.
passkey-required = Il vous faut une clé d’accès pour continuer.
passkey-new-submit = Créer une clé d’accès

passkey-name-title = Nommez votre clé d’accès
passkey-added-heading = Votre clé d’accès est prête
passkey-name-text = Donnez-lui un nom qui la distingue des autres.
passkey-name = Nom
passkey-name-submit = Enregistrer
passkey-second-only = Cette clé d’accès n’a demandé ni code, ni empreinte, ni visage. Elle sert après votre mot de passe, et non à sa place.

security-passkeys = Clés d’accès
security-passkeys-text = Connectez-vous par le verrou de votre appareil, sans rien saisir. Configurez-en une deuxième au cas où vous perdriez la première.
security-passkey-synchronised = Synchronisée
security-passkey-second = Après un mot de passe
security-passkey-added = Ajoutée
security-passkey-used = Dernière utilisation
security-passkey-add = Ajouter une clé d’accès
security-passkey-rename = Renommer
security-passkey-remove = Supprimer
security-passkey-stays = Vous avez besoin de celle-ci pour vous connecter. Ajoutez-en une autre avant de la supprimer.
security-without-password = Se passer de mot de passe
security-without-password-text = Vous ne vous connectez plus qu’avec une clé d’accès, et votre mot de passe n’est plus valable nulle part. Ayez plusieurs clés d’accès, et créez des codes de secours, avant de le faire. Vos autres sessions prennent fin.
security-remove-password = Supprimer mon mot de passe
security-no-password = Votre compte n’a pas de mot de passe. Ayez plusieurs clés d’accès, au cas où vous en perdriez une.
