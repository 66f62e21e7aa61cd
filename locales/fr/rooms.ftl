### A person's own pages.

nav-places = Votre compte
nav-overview = Vue d’ensemble
nav-sessions = Appareils
nav-apps = Applications
nav-activity = Activité
nav-language = Langue
nav-data = Vos données

account-identity = Qui vous êtes
account-no-email = Aucune
account-stays = Heureux de vous revoir. Vous vous êtes connecté, votre compte ne sera donc pas supprimé.
account-overview = En un coup d’œil
account-unprotected = Mot de passe seul. Un second facteur tient les autres à l’écart.
account-protected-totp = Protégé par une application d’authentification
account-protected-passkey = Protégé par une clé d’accès
account-protected-both = Protégé par une application d’authentification et des clés d’accès
account-sessions-count = { $count ->
    [one] Connecté sur cet appareil seulement
   *[other] Connecté sur { $count } appareils
}
account-apps-count = { $count ->
    [0] Aucune application n’a accès
    [one] Une application a accès
   *[other] { $count } applications ont accès
}
account-latest = Activité récente
account-all-activity = Toute l’activité

security-password = Mot de passe
security-password-changed = Dernière modification
security-password-none = Vous n’avez pas de mot de passe.

sessions-heading = Où vous êtes connecté
sessions-text = Mettez fin à toute session que vous ne reconnaissez pas, et changez de mot de passe.
sessions-logged-in = Connexion
sessions-remembered = Reste connecté
sessions-rename = Renommer
sessions-name = Nom de cet appareil
sessions-save = Enregistrer
method-password = Mot de passe
method-code = Code
method-passkey = Clé d’accès

apps-heading = Applications associées
apps-text = Ces applications agissent en votre nom. Retirer l’accès à l’une d’elles la déconnecte et l’oblige à vous le redemander.
apps-open = Ouvrir
apps-last-used = Dernière utilisation
apps-resources = Chez :

language-text = La langue de ces pages dans ce navigateur, et des messages que vous recevez.

export-heading = Une copie de vos données
export-text = Tout ce qui est conservé à votre sujet, profil, appareils, applications, facteurs et activité, dans un fichier JSON. Il ne contient ni mot de passe ni clé.
export-submit = Télécharger
delete-title = Supprimer le compte
delete-text = Votre compte est supprimé immédiatement. Cela est définitif.
delete-text-grace = Vous êtes déconnecté partout immédiatement, et votre compte est supprimé après { $count ->
    [one] un jour
   *[other] { $count } jours
}. D’ici là, il vous suffit de vous connecter pour le garder.
delete-heading = Supprimer votre compte ?
delete-warning = Votre profil, vos appareils, vos facteurs et tout ce que vous avez permis à des applications disparaîtront. Les applications peuvent garder ce qu’elles détiennent elles-mêmes.
delete-type-name = Saisissez votre identifiant pour continuer
delete-name-differs = Ce n’est pas votre identifiant. Rien n’a été supprimé.
delete-last-administrator = Vous êtes le dernier administrateur. Nommez d’abord quelqu’un d’autre.
delete-submit = Supprimer mon compte
delete-keep = Garder mon compte
deletion-scheduled-heading = Votre compte sera supprimé
deletion-scheduled-due = Il disparaîtra le
deletion-scheduled-text = Vous êtes déconnecté partout. Si vous changez d’avis, connectez-vous avant cette date : votre compte restera tel qu’il est.
deletion-take-back = Se connecter et garder le compte
deleted-heading = Votre compte a été supprimé
deleted-text = Tout ce qui lui appartenait a disparu. Vous pouvez fermer cette fenêtre.
