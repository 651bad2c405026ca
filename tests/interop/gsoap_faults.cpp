// A client generated from a contract: argv is endpoint, PEM file or -, trust directory, operation, values.
// Prints how gSOAP decoded the fault.  With -DHISTORICAL the detail is what gLite's own commands had.
#include <iostream>
#include "WMProxy.nsmap"
#include "soapDelegation1SoapBindingProxy.h"
#include "soapDelegationSoapBindingProxy.h"
#include "soapWMProxyProxy.h"

static void show(const char *name, wmp__BaseFaultType *fault) {
    std::cout << name << "\n" << fault->methodName << "\n" << *fault->ErrorCode << "\n" << fault->FaultCause.size() << "\n";
    std::cout << *fault->Description << "\n";
}

#define KINDS(kind) kind(Authentication) kind(Authorization) kind(Generic) kind(GetQuotaManagement) \
    kind(InvalidArgument) kind(JobUnknown) kind(NoSuitableResources) kind(OperationNotAllowed) kind(ServerOverloaded)

static int told(struct soap *soap) {
    struct SOAP_ENV__Detail *detail = soap->fault ? soap->fault->detail : NULL;
    if (detail) {
#ifdef HISTORICAL
#define CHECK(kind) if (detail->__type == SOAP_TYPE_wmp__##kind##FaultType) { \
        if (!detail->fault) { std::cout << "null\n"; return 1; } \
        show(#kind "Fault", (wmp__BaseFaultType *)(wmp__##kind##FaultType *)detail->fault); return 2; }
#else
#define CHECK(kind) if (detail->wmp__##kind##Fault) { show(#kind "Fault", detail->wmp__##kind##Fault); return 2; }
#endif
        KINDS(CHECK)
#ifndef HISTORICAL
        if (detail->dlg1__DelegationException) {
            std::cout << "DelegationException-1\n" << *detail->dlg1__DelegationException->message << "\n";
            return 2;
        }
        if (detail->dlg2__DelegationException) {
            std::cout << "DelegationException-2\n" << *detail->dlg2__DelegationException->msg << "\n";
            return 2;
        }
#endif
    }
    soap_stream_fault(soap, std::cout);
    return 1;
}

#define POSIX "http://schemas.ggf.org/jsdl/2005/11/jsdl-posix"

static wmp__StringList *list(struct soap *soap, std::vector<std::string> items) {
    wmp__StringList *made = soap_new_wmp__StringList(soap);
    made->Item = items;
    return made;
}

// Everything that is more than a text, in both directions; a line for each answer.
static int structures(struct soap *soap, WMProxyProxy &wmproxy, const char *id) {
    jsdl__JobDefinition_USCOREType *definition = soap_new_jsdl__JobDefinition_USCOREType(soap);
    definition->JobDescription = soap_new_jsdl__JobDescription_USCOREType(soap);
    definition->JobDescription->Application = soap_new_jsdl__Application_USCOREType(soap);
    definition->JobDescription->Application->__any.push_back(soap_strdup(soap,
        "<POSIXApplication xmlns=\"" POSIX "\"><Executable>/bin/echo</Executable><Argument>a b</Argument>"
        "<Output>o</Output></POSIXApplication>"));
    struct wmp__jobRegisterJSDLResponse registered;
    if (wmproxy.jobRegisterJSDL(definition, id, registered)) return told(soap);
    const std::string job = registered._jobIdStruct->id;
    std::cout << job << "\n";
    struct wmp__getJDLResponse described;
    if (wmproxy.getJDL(job, wmp__JdlType__REGISTERED, described)) return told(soap);
    std::cout << (described._jdl.find("/bin/echo") != std::string::npos) << "\n";
    struct wmp__getSandboxBulkDestURIResponse places;
    if (wmproxy.getSandboxBulkDestURI(job, "https", places)) return told(soap);
    std::cout << places._DestURIsStructType->Item.size() << " " << places._DestURIsStructType->Item[0]->Item.size() << "\n";
    struct wmp__addACLItemsResponse added;
    if (wmproxy.addACLItems(job, list(soap, {"/DC=org/CN=One", "/DC=org/CN=Two"}), added)) return told(soap);
    struct wmp__removeACLItemResponse removed;
    if (wmproxy.removeACLItem(job, "/DC=org/CN=Two", removed)) return told(soap);
    struct wmp__getDelegatedProxyInfoResponse proxy;
    if (wmproxy.getDelegatedProxyInfo(id, proxy)) return told(soap);
    std::cout << proxy._items->VOsInfo.size() << " " << proxy._items->VOsInfo[0]->VOName << "\n";
    wmp__GraphStructType *root = soap_new_wmp__GraphStructType(soap), *leaf = soap_new_wmp__GraphStructType(soap);
    leaf->name = soap_new_std__string(soap);
    *leaf->name = "leaf";
    root->childrenJob.push_back(leaf);
    struct wmp__getDAGTemplateResponse dag;
    if (wmproxy.getDAGTemplate(root, "true", "1", dag)) return told(soap);
    std::cout << (dag._jdl.find("leaf") != std::string::npos) << "\n";
    wmp__JobTypeList *types = soap_new_wmp__JobTypeList(soap);
    types->jobType.push_back(wmp__JobType__NORMAL);
    struct wmp__getJobTemplateResponse simple;
    if (wmproxy.getJobTemplate(types, "/bin/true", "", "true", "1", simple)) return told(soap);
    struct wmp__getIntParametricJobTemplateResponse numbers;
    if (wmproxy.getIntParametricJobTemplate(list(soap, {"Arguments"}), 6, 2, 2, "true", "1", numbers)) return told(soap);
    struct wmp__getStringParametricJobTemplateResponse words;
    wmp__StringList *parameters = list(soap, {"a", "b"});
    if (wmproxy.getStringParametricJobTemplate(list(soap, {"Arguments"}), parameters, "true", "1", words)) return told(soap);
    struct wmp__getTotalQuotaResponse quota;
    if (wmproxy.getTotalQuota(quota)) return told(soap);
    std::cout << quota.hardLimit << "\n";
    return 0;
}

int main(int, char **argv) {
    const std::string operation = argv[4], pem = argv[2];
    soap_ssl_init();
    struct soap *soap = soap_new1(SOAP_XML_STRICT | SOAP_IO_KEEPALIVE);
    const char *key = pem == "-" ? NULL : argv[2];
    if (soap_ssl_client_context(soap, SOAP_SSL_DEFAULT, key, NULL, NULL, argv[3], NULL)) {
        soap_stream_fault(soap, std::cerr);
        return 1;
    }
    WMProxyProxy wmproxy(soap, argv[1]);
    Delegation1SoapBindingProxy first(soap, argv[1]);
    DelegationSoapBindingProxy second(soap, argv[1]);
    if (operation == "getVersion") {
        struct wmp__getVersionResponse answer;
        if (wmproxy.getVersion(answer)) return told(soap);
        std::cout << answer.version << "\n";
    } else if (operation == "jobRegister") {
        struct wmp__jobRegisterResponse answer;
        if (wmproxy.jobRegister(argv[5], argv[6], answer)) return told(soap);
        std::cout << answer._jobIdStruct->id << "\n";
    } else if (operation == "getFreeQuota") {
        struct wmp__getFreeQuotaResponse answer;
        if (wmproxy.getFreeQuota(answer)) return told(soap);
        std::cout << answer.softLimit << "\n" << answer.hardLimit << "\n";
    } else if (operation == "jobListMatch") {
        struct wmp__jobListMatchResponse answer;
        if (wmproxy.jobListMatch(argv[5], argv[6], answer)) return told(soap);
        std::cout << answer._CEIdAndRankList->file.size() << "\n";
    } else if (operation == "getJobStatus") {
        struct wmp__getJobStatusResponse answer;
        if (wmproxy.getJobStatus(argv[5], answer)) return told(soap);
        std::cout << answer.JobStatusStruct->status << "\n";
    } else if (operation == "jobStart") {
        struct wmp__jobStartResponse answer;
        if (wmproxy.jobStart(argv[5], answer)) return told(soap);
    } else if (operation == "getACLItems") {
        struct wmp__getACLItemsResponse answer;
        if (wmproxy.getACLItems(argv[5], answer)) return told(soap);
        std::cout << answer._items->Item.size() << "\n";
    } else if (operation == "getProxyReq-1") {
        struct dlg1__getProxyReqResponse answer;
        if (first.getProxyReq(argv[5], answer)) return told(soap);
        std::cout << answer._getProxyReqReturn << "\n";
    } else if (operation == "putProxy-1") {
        struct dlg1__putProxyResponse answer;
        if (first.putProxy(argv[5], argv[6], answer)) return told(soap);
    } else if (operation == "getNewProxyReq-2") {
        struct dlg2__getNewProxyReqResponse answer;
        if (second.getNewProxyReq(answer)) return told(soap);
        std::cout << *answer.getNewProxyReqReturn->delegationID << "\n";
    } else if (operation == "getTerminationTime-2") {
        struct dlg2__getTerminationTimeResponse answer;
        if (second.getTerminationTime(argv[5], answer)) return told(soap);
        std::cout << answer._getTerminationTimeReturn << "\n";
    } else if (operation == "structures") {
        return structures(soap, wmproxy, argv[5]);
    } else {
        return 3;
    }
    return 0;
}
