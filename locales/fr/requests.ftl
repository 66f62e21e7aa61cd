### An application asks somebody who is elsewhere.

nav-requests = Demandes
requests-heading = Qui vous demande
requests-text = Ces applications veulent savoir si c’est bien à vous qu’elles ont affaire. N’autorisez que ce que vous avez lancé vous-même ou ce que vous attendez.
requests-none = Personne ne vous demande pour le moment.
requests-since = Depuis
requests-open = Voir la demande
requests-waiting = { $count ->
    [one] Une application vous demande
   *[other] { $count } applications vous demandent
}
request-warning = Ne continuez que si vous avez lancé cette demande vous-même ou si vous l’attendez. Ce n’est pas vous qui avez ouvert cette application dans ce navigateur : c’est la personne qui l’a fait qui obtiendrait l’accès.
request-message = Son message :
request-message-hint = Refusez si ce n’est pas ce que vous y voyez.
request-allowed-title = Vous avez autorisé la demande
request-allowed-text = L’application continue toute seule. Vous pouvez fermer cette page.
request-denied-title = Vous avez refusé la demande
request-denied-text = L’application a été informée de votre refus. Vous pouvez fermer cette page.
