### Mails. Each kind has a subject, what stands before the code, details or link, and what stands after it.

mail-footer = Envoyé par { $issuer }. Personne ne lit les réponses à cette adresse.
mail-device = Appareil :
mail-address = Adresse réseau :
mail-time = Date et heure :
mail-application = Application :
mail-binding-message = Son message :
mail-link-request = Voir la demande
mail-link-account = Ouvrir votre compte
mail-link-login = Se connecter
mail-link-register = S’inscrire

mail-register-code = Confirmez votre adresse e-mail
    .text = Saisissez ce code pour poursuivre votre inscription sur { $host } :
    .after = Il est valable 10 minutes. Personne ne vous le demandera jamais. Si vous n’avez pas voulu vous inscrire, vous pouvez ignorer ce message : sans le code, il ne se passe rien.
mail-account-exists = Vous avez déjà un compte
    .text = Quelqu’un, peut-être vous, a tenté de s’inscrire sur { $host } avec cette adresse. Un compte existe déjà pour elle : connectez-vous, ou choisissez un nouveau mot de passe si vous avez oublié le vôtre.
    .after = Si ce n’était pas vous, il n’y a rien à faire. Cette personne n’a pas appris que vous avez un compte.
mail-verify-email = Confirmez votre adresse e-mail
    .text = Saisissez ce code sur { $host } pour confirmer que cette adresse est bien la vôtre :
    .after = Il est valable 10 minutes. Personne ne vous le demandera jamais. Si vous ne l’avez pas demandé, vous pouvez ignorer ce message.
mail-change-email = Confirmez votre nouvelle adresse e-mail
    .text = Saisissez ce code sur { $host } pour faire de cette adresse celle de votre compte :
    .after = Il est valable 10 minutes. Personne ne vous le demandera jamais. Si vous ne l’avez pas demandé, vous pouvez ignorer ce message : votre compte garde l’adresse qu’il a.
mail-email-changed = Votre adresse e-mail a été modifiée
    .text = Votre compte sur { $host } a une nouvelle adresse e-mail : { $address }. Les messages concernant votre compte y seront désormais envoyés.
    .after = Si ce n’était pas vous, quelqu’un d’autre utilise peut-être votre compte. Demandez de l’aide à l’administrateur sans attendre.
mail-reset-password = Choisissez un nouveau mot de passe
    .text = Saisissez ce code sur { $host } pour choisir un nouveau mot de passe :
    .after = Il est valable 10 minutes. Personne ne vous le demandera jamais. Si vous ne l’avez pas demandé, vous pouvez ignorer ce message : votre mot de passe reste le même.
mail-no-password = Votre compte n’a pas de mot de passe
    .text = Quelqu’un, peut-être vous, a demandé un nouveau mot de passe pour votre compte sur { $host }. Il n’en a pas, et un e-mail ne permet pas d’en définir un : vous vous connectez avec une clé d’accès.
    .after = Si vous avez perdu vos clés d’accès, demandez de l’aide à l’administrateur. Si ce n’était pas vous, vous n’avez rien à faire : la personne n’a pas appris que vous avez un compte.
mail-password-changed = Votre mot de passe a été modifié
    .text = Le mot de passe de votre compte sur { $host } a été modifié. Les autres appareils ont été déconnectés.
    .after = Si ce n’était pas vous, choisissez immédiatement un nouveau mot de passe, et vérifiez où vous êtes connecté.
mail-password-removed = Votre mot de passe a été supprimé
    .text = Votre compte sur { $host } n’a plus de mot de passe : désormais, vous vous connectez avec une clé d’accès. Les autres appareils ont été déconnectés.
    .after = Si ce n’était pas vous, quelqu’un d’autre utilise peut-être votre compte. Demandez aussitôt de l’aide à l’administrateur.
mail-new-device = Quelqu’un s’est connecté à votre compte
    .text = Quelqu’un s’est connecté à votre compte sur { $host } depuis un appareil qui n’y avait encore jamais servi.
    .after = Si c’était vous, tout va bien. Sinon, mettez fin à cette session sur la page de votre compte et changez de mot de passe.
mail-asked = Une application vous demande
    .text = Une application veut savoir, par l’intermédiaire de { $host }, si c’est bien à vous qu’elle a affaire.
    .after = Ne l’autorisez que si vous avez lancé cette demande vous-même ou si vous l’attendez. Sinon refusez-la, ou ignorez ce message : sans vous, rien ne se passe.
mail-factor-added = Nouvelle protection pour votre compte
    .text = { $what ->
        [totp] Une application d’authentification a été ajoutée à votre compte sur { $host }.
        [recovery-codes] De nouveaux codes de secours ont été créés pour votre compte sur { $host }. Les anciens ne fonctionnent plus.
       *[passkey] La clé d’accès « { $name } » a été ajoutée à votre compte sur { $host }.
    }
    .after = Si ce n’était pas vous, changez immédiatement de mot de passe, et vérifiez sur la page de votre compte ce qui le protège.
mail-factor-removed = Protection retirée de votre compte
    .text = { $what ->
        [totp] L’application d’authentification a été retirée de votre compte sur { $host }.
        [recovery-codes] Les codes de secours de votre compte sur { $host } ont été supprimés.
       *[passkey] La clé d’accès « { $name } » a été retirée de votre compte sur { $host }.
    }
    .after = Si ce n’était pas vous, changez immédiatement de mot de passe et rétablissez votre protection.
mail-factors-reset = Vos seconds facteurs ont été retirés
    .text = Un administrateur a retiré tous les seconds facteurs de votre compte sur { $host } : application d’authentification, codes de secours et clés d’accès.
    .after = Ajoutez-en de nouveaux sur la page de votre compte. Si vous ne l’aviez pas demandé, demandez-en la raison à l’administrateur.
mail-recovery-code-used = Un code de secours a été utilisé
    .text = Quelqu’un s’est connecté à votre compte sur { $host } avec un code de secours. { $count ->
        [0] Il n’en reste aucun : créez-en de nouveaux.
        [one] Il n’en reste qu’un : créez-en de nouveaux.
       *[other] Il en reste { $count }.
    }
    .after = Si ce n’était pas vous, changez immédiatement de mot de passe et créez de nouveaux codes de secours.
mail-passkey-suspicious = L’une de vos clés d’accès a peut-être été copiée
    .text = Quelque chose indique qu’il existe une copie de votre clé d’accès « { $name } » sur { $host }.
    .after = Si vous ne vous l’expliquez pas, retirez cette clé d’accès sur la page de votre compte et ajoutez-en une nouvelle.
mail-password-locked = De nombreux mots de passe erronés ont été essayés
    .text = Tant de mots de passe erronés ont été saisis pour votre compte sur { $host } que, sur un appareil inconnu, votre mot de passe n’est pas accepté pour l’instant. Les appareils sur lesquels vous vous êtes déjà connecté fonctionnent comme d’habitude, et les clés d’accès aussi.
    .after = Vous n’avez rien à faire. Si vous ne pouvez plus vous connecter vous-même, choisissez un nouveau mot de passe : le lien « Mot de passe oublié ? » de la page de connexion y mène.
mail-invitation = Vous êtes invité sur { $host }
    .text = Vous êtes invité à vous inscrire sur { $host }. Ouvrez cette page pour choisir comment vous vous connecterez.
    .after = Ce lien n’est destiné qu’à vous et ne fonctionne qu’une fois. Si vous ne l’attendiez pas, vous pouvez ignorer ce message.
mail-deletion-scheduled = Votre compte sera supprimé
    .text = Comme vous l’avez demandé, votre compte sur { $host } sera supprimé le { $date }.
    .after = Si vous changez d’avis, connectez-vous avant cette date. Si ce n’est pas vous qui l’avez demandé, connectez-vous maintenant et changez de mot de passe.
mail-test = Les e-mails fonctionnent
    .text = Ce message a été envoyé depuis { $host } pour vérifier que l’envoi d’e-mails fonctionne. C’est le cas.
    .after = Vous n’avez rien à faire.
mail-account-deleted = Votre compte a été supprimé
    .text = Comme vous l’avez demandé, votre compte sur { $host } a été supprimé, avec tout ce qui lui appartenait.
    .after = Plus personne ne peut s’y connecter. Vous n’avez rien à faire.
