/**
 * The page's entry: names the elements, finds the model's address, starts. Elements are named here and nowhere else, so
 * that importing a module never has an effect.
 */

import { modelAddress } from '../store/hub_address.ts';
import { Composer } from '../ui/composer.ts';
import { ConversationView } from '../ui/conversation_view.ts';
import { TurnView } from '../ui/turn_view.ts';
import { createEngine } from '../worker/client.ts';
import { deleteModel, isKept, listModels } from '../worker/kept_models.ts';
import { ChatList } from './chat_list.ts';
import { CompareDialog } from './compare_dialog.ts';
import { FileDrop } from './file_drop.ts';
import { ForgettingAmount } from './forgetting_amount.ts';
import { HeatMap } from './heat_map.ts';
import { loadServer } from './kept_server.ts';
import { MemoryPanel } from './memory_panel.ts';
import { ModelPicker } from './model_picker.ts';
import { Page } from './page.ts';
import { RememberedView } from './remembered_view.ts';
import { ServerForm } from './server_form.ts';
import { SettingsDialog } from './settings_dialog.ts';
import { sharedText } from './shared_text.ts';
import { Timeline } from './timeline.ts';

/** Beside the page; `?model=` names another folder or GGUF file. */
const DEFAULT_MODEL = 'models/smollm2-135m-instruct/';

customElements.define('lethe-heat-map', HeatMap);
customElements.define('lethe-timeline', Timeline);
customElements.define('lethe-remembered', RememberedView);
customElements.define('lethe-amount', ForgettingAmount);
customElements.define('lethe-compare', CompareDialog);
customElements.define('lethe-memory', MemoryPanel);
customElements.define('lethe-turn', TurnView);
customElements.define('lethe-conversation', ConversationView);
customElements.define('lethe-composer', Composer);
customElements.define('lethe-chats', ChatList);
customElements.define('lethe-drop', FileDrop);
customElements.define('lethe-server', ServerForm);
customElements.define('lethe-models', ModelPicker);
customElements.define('lethe-settings', SettingsDialog);

const named = new URLSearchParams(location.search).get('model');
const page = document.querySelector('lethe-page');
customElements.define('lethe-page', Page);
if (page instanceof Page) {
  // The hub's client comes when somebody asks for the hub, or for a model on another server.
  const hub = () => import('../store/hub.ts');
  page.parts = {
    createEngine,
    readOffer: async (address, signal) => (await import('../engine/model_offer.ts')).readOffer(address, signal),
    isKept,
    listModels,
    deleteModel,
    search: async (query, signal) => (await hub()).searchHub(query, { signal }),
    addressOf: modelAddress,
    defaultAddress: new URL(DEFAULT_MODEL, document.baseURI).href,
    address: new URL(named ?? DEFAULT_MODEL, document.baseURI).href,
    server: named === null ? loadServer() : null,
    draft: sharedText(location.search),
  };
}
