### Logging out.

logout-title = Déconnexion
logout-heading = Se déconnecter ?
logout-text = Vous êtes connecté en tant que { $name }. Les applications que vous utilisez avec ce compte vous demanderont peut-être de vous reconnecter.
logout-submit = Se déconnecter
logout-return = Vous retournerez ensuite à { $place }.
signed-out-title = Déconnecté
signed-out-heading = Vous êtes déconnecté
signed-out-text = Sur un ordinateur partagé, fermez aussi le navigateur.
signed-out-again = Se reconnecter
