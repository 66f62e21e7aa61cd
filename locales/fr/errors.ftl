### Error pages. Each has a title and a text that say what the reader can do.

error-reference = Référence
error-status = État
error-reference-text = Veuillez indiquer cette référence si vous demandez de l’aide.

error-bad-request = Cette demande est incompréhensible
    .text = Retournez à l’application d’où vous venez, et recommencez.
error-unknown-client = Cette application n’est pas connue ici
    .text = Le lien qui vous a amené ici désigne une application qui n’est pas enregistrée, ou qui a été désactivée. Rien ne lui a été envoyé.
error-redirect-uri = Cette application n’est pas digne de confiance pour une connexion
    .text = L’adresse à laquelle elle veut vous renvoyer n’est pas de celles qu’elle a enregistrées. Vous n’y avez pas été envoyé, et rien ne lui a été communiqué.
error-flow-expired = Cette connexion a pris trop de temps, ou a été commencée dans un autre navigateur
    .text = Retournez à l’application d’où vous venez, et recommencez.
error-go-on = Retourner à l’application
error-device = C’est trop tard
    .text = Le code a expiré, ou quelqu’un a déjà décidé pour cet appareil. Recommencez sur l’appareil : il affichera un nouveau code. Si vous l’avez autorisé et le regrettez, vous le trouverez parmi les sessions de votre compte, où vous pouvez y mettre fin.
error-request = C’est trop tard
    .text = La demande a expiré, ou vous avez déjà décidé. L’application peut demander de nouveau. Si vous l’avez autorisée et le regrettez, vous la trouverez parmi les sessions de votre compte, où vous pouvez y mettre fin.
error-form = Ce formulaire n’est plus utilisable
    .text = Il est resté ouvert trop longtemps, ou n’a pas été envoyé depuis ce site. Revenez en arrière, rechargez la page, et réessayez.
error-setup-link = Ce lien d’installation ne fonctionne plus
    .text = Il a déjà servi, ou il a expiré. Redémarrez le serveur pour en obtenir un nouveau, ou adressez-vous à l’administrateur.
error-registration = Il n’est pas possible de s’inscrire ici de cette façon
    .text = L’inscription est fermée, ou le lien de votre invitation a déjà servi ou a expiré. Demandez-en un autre à la personne qui vous a invité.
error-recovery = Il est trop tard
    .text = Le code a déjà servi, ou il y a trop longtemps. Recommencez par « Mot de passe oublié ? ».
error-forbidden = Cette page ne vous est pas destinée
    .text = Vous êtes connecté, mais sans le rôle que cette page exige.
error-not-found = Il n’y a rien ici
    .text = Vérifiez l’adresse, ou retournez à l’application d’où vous venez.
error-method = Cette page ne s’utilise pas de cette façon
    .text = Retournez à l’application d’où vous venez, et recommencez.
error-too-large = C’en était trop
    .text = La demande contient plus que ce que ce serveur accepte.
error-too-many = Trop de demandes
    .text = Veuillez patienter un moment, puis réessayer.
error-unavailable = Le service n’est pas disponible pour le moment
    .text = Rien n’est perdu. Veuillez réessayer dans quelques minutes.
error-internal = Une erreur s’est produite
    .text = Vous n’y êtes pour rien. La cause a été consignée.

form-post-title = Un instant
form-post-text = Vous retournez à l’application.
